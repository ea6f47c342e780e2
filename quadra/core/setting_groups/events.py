"""Events on their way: in, through jobs and analysts, out to sinks, and into history."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

from quadra.core.setting_types import BucketName, Duration, HttpAddress, KafkaOptions, Words

OWN_PATH = r"^(/[A-Za-z0-9._-]+){0,5}$"


class Ingest(BaseModel):
    batch_max_events: int = Field(100, ge=1, description="seals a batch")
    batch_max_age: Duration = Field(timedelta(minutes=10), description="seals a batch")
    writer_queue_events: int = Field(20_000, ge=1, description="that may wait to be stored; beyond it senders get 503")
    writer_queue_bytes: int = Field(32 * 2**20, ge=1, description="that may wait to be stored")
    writer_flush_events: int = Field(4_000, ge=1, description="in one transaction at the most")
    writer_linger: Duration = Field(timedelta(milliseconds=2), description="how long a transaction waits for more")
    ingest_timeout: Duration = Field(timedelta(seconds=10), description="after which a sender is told to try again")
    tracker_path: str = Field(
        "", pattern=OWN_PATH, description="another path of the tracker, such as `/stats.js`; docs/tracker.md"
    )
    tracker_events_path: str = Field(
        "", pattern=OWN_PATH, description="another path that the tracker's events go to, as `data-api` names it"
    )


class Jobs(BaseModel):
    job_concurrency: int = Field(2, ge=1, le=64, description="jobs at the same time in each worker")
    job_poll: Duration = Field(timedelta(seconds=5), gt=timedelta(0), description="for work nobody was woken for")
    job_max_attempts: int = Field(5, ge=1)
    job_backoff: Duration = Field(timedelta(seconds=60), description="after the first attempt; doubled after each more")
    job_lease: Duration = Field(timedelta(seconds=60), ge=timedelta(seconds=1), description="a dead worker's job waits")
    job_grace: Duration = Field(timedelta(seconds=10), description="for what runs when a worker is told to stop")
    job_keep: Duration = Field(timedelta(days=7), ge=timedelta(hours=2), description="of finished jobs; dead ones stay")
    stuck_after: Duration = Field(timedelta(minutes=15), ge=timedelta(seconds=1), description="of one attempt")
    worker_nice: int = Field(
        5,
        ge=0,
        le=19,
        description="niceness of workers: where processors are full, taking events comes first; 0 leaves it",
    )


OPENAI_MODEL = "gpt-4o-mini"
"""A summary of a batch asks no large model."""


class Analysts(BaseModel):
    llm_base_url: HttpAddress = Field(
        "", description="any server that speaks OpenAI's chat completions; empty is OpenAI's own"
    )
    llm_api_key: str = Field("", description="also read as OPENAI_API_KEY")
    llm_model: str = Field("", description=f"needed with LLM_BASE_URL; with a key of OpenAI alone it is {OPENAI_MODEL}")
    llm_timeout: Duration = Field(timedelta(seconds=30), ge=timedelta(milliseconds=100), le=timedelta(minutes=5))
    llm_redact: bool = Field(True, description="whether user ids leave this machine only as keyed hashes")
    llm_max_tokens: int = Field(700, ge=50, le=32_000, description="of an answer")
    llm_prompt_usd_per_million: float | None = Field(None, ge=0, description="price of a million tokens")
    llm_completion_usd_per_million: float | None = Field(None, ge=0)
    breaker_failures: int = Field(5, ge=1, description="in a row, that open the breaker")
    breaker_cooldown: Duration = Field(timedelta(minutes=10), description="until one trial call is let through")
    archive_after: Duration = Field(timedelta(days=30), description="age from which analysed batches are archived")

    @property
    def llm_configured(self) -> bool:
        return bool(self.llm_base_url or self.llm_api_key)

    def check_llm(self) -> None:
        """Which model a server of one's own has, nobody knows. Raises `ValueError`."""
        if self.llm_base_url and not self.llm_model:
            raise ValueError("QUADRA_LLM_MODEL: name the model to ask, or leave QUADRA_LLM_BASE_URL empty")
        if self.llm_api_key and not self.llm_model:
            self.llm_model = OPENAI_MODEL


class Sinks(BaseModel):
    sinks: Words = Field(
        [],
        description="addresses of sinks without a setting of their own, with commas, such as `folder:///srv/parcels`; "
        "docs/sinks.md",
    )
    kafka_brokers: Words = Field(
        [], description="`host:port`, with commas: sealed batches are delivered to Kafka; docs/sinks.md"
    )
    kafka_topic: str = Field("quadra.events", pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="that events go to")
    kafka_client_id: str = Field("quadra", description="as which brokers know this installation")
    kafka_options: KafkaOptions = Field(
        [],
        description="of librdkafka, as `name=value` with commas, such as `security.protocol=SASL_SSL,sasl.mechanism=PLAIN,"
        "sasl.username=quadra`",
    )
    kafka_password: str = Field("", description="`sasl.password`")
    bigquery_project: str = Field("", description="of Google Cloud; empty: the one of the credentials")
    bigquery_dataset: str = Field("", description="sealed batches are delivered to its tables; docs/sinks.md")
    bigquery_endpoint: HttpAddress = Field("", description="of a server for tests, which is asked without credentials")
    bigquery_batch_rows: int = Field(1_000, ge=1, le=10_000, description="of one request; fewer wait for a minute")
    clickhouse_url: str = Field(
        "",
        pattern=r"^($|clickhouses?://|https?://|chdb:)",
        description="`clickhouse://user:password@host:8123/database`, `clickhouses://` is TLS: batches are delivered there",
    )

    def sink_address(self, name: str) -> str:
        """The one of QUADRA_SINKS that begins with `name://`; empty where there is none."""
        return next((address for address in self.sinks if address.startswith(f"{name}://")), "")


class Warehouse(BaseModel):
    hot_days: int = Field(30, ge=1, description="that rows stay in the database, where repeated ids are recognised")
    retention_days: int | None = Field(None, ge=1, description="after which events are gone; empty keeps them for ever")
    segment_events: int = Field(20_000, ge=1, description="sealed events of a project that are worth a compaction")
    segment_age: Duration = Field(timedelta(minutes=10), description="after which fewer are compacted too")
    segment_rows: int = Field(2_000_000, ge=1_000, description="beyond which files of a day are not merged")
    segment_grace: Duration = Field(timedelta(hours=1), ge=timedelta(0), description="of replaced and orphaned files")
    segment_s3: BucketName = Field(
        "", description="bucket or bucket/prefix for segments, DATA_DIR caches; empty: DATA_DIR alone"
    )
    segment_cache_mb: int = Field(20_000, ge=64, description="of segments from S3 that are kept on this machine")
    warehouse_url: str = Field(
        "",
        pattern=r"^($|clickhouses?://|https?://|chdb:)",
        description="ClickHouse that answers the questions: `clickhouse://user:password@host:8123/database`, or `chdb:///path` "
        "in the web process; empty: DuckDB does; docs/scale.md",
    )
    export_keep_days: int = Field(7, ge=1, le=365, description="of files that workers exported")
    export_free_mb: int = Field(1024, ge=0, description="of DATA_DIR's disk, which such a file leaves free")
    query_memory_mb: int = Field(1024, ge=64, description="for all questions of a process together")
    query_threads: int = Field(2, ge=1)
    query_concurrency: int = Field(4, ge=1, description="questions of a process at the same time")
    query_timeout: Duration = Field(timedelta(seconds=30), gt=timedelta(0))
