"""Every setting, read once, here and nowhere else. A wrong value stops the start and names the variable."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quadra.core.errors import Misconfigured
from quadra.core.setting_secrets import SECRET_ACCEPTED, why_guessable
from quadra.core.setting_types import (
    BaseSchedule,
    BucketName,
    CronTimes,
    Duration,
    HttpAddress,
    KafkaOptions,
    Networks,
    Origins,
    Words,
    data_directory,
    sentinel_address,
    with_driver,
)
from quadra.core.sqlite_file import sqlite_url


class Settings(BaseSettings):
    """The environment, typed. Each name is `QUADRA_` + the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="QUADRA_", extra="ignore", populate_by_name=True)

    environment: Literal["development", "production"] = Field(
        "development", description="production refuses a SECRET_KEY that can be guessed"
    )
    data_dir: Path = Field(Path("data"), description="where everything lies that is not in the database")
    database_url: str = Field(
        "",
        description="sqlite, postgresql, mysql or mariadb; empty is SQLite in DATA_DIR; also read without the prefix",
        validation_alias=AliasChoices("QUADRA_DATABASE_URL", "DATABASE_URL"),
    )
    secret_key: str = Field(
        "",
        description="signs session cookies, the same on every replica; in production 32 bytes or more that nobody guesses, "
        "such as the output of `openssl rand -hex 32`; empty, which only development takes: made once, kept in the database",
    )
    host: str = Field("127.0.0.1", description="the address to listen on; 0.0.0.0 for all")
    port: int = Field(5000, ge=0, le=65535, description="0 picks a free one")
    async_mode: Literal["eventlet", "gevent"] = Field("eventlet", description="the event loop's library")
    socket_path: str = Field("socket.io", description="of Socket.IO, without slashes")
    public_url: str = Field("", description="what people type to come here, such as https://quadra.example.com")
    hsts: str = Field(
        "max-age=31536000",
        pattern=r"^(max-age=\d+(; includeSubDomains)?(; preload)?)?$",
        description="`Strict-Transport-Security` of answers that came by https: browsers then come to this host, on every port, "
        "by https alone; empty sends none",
    )
    trusted_proxies: Networks = Field([], description="networks whose X-Forwarded-… headers are believed, with commas")
    geo_database: Path | None = Field(
        None,
        description="a database of cities (MMDB: DB-IP's or MaxMind's), for regions; countries are known without it",
    )
    cors_origins: Origins = Field(
        [], description="other sites that may use the dashboard's sockets with a session, with commas"
    )

    header_timeout: Duration = Field(
        timedelta(seconds=30), gt=timedelta(0), description="for the head of a request, from its first byte"
    )
    body_timeout: Duration = Field(timedelta(seconds=60), gt=timedelta(0), description="for the body of a request")
    idle_timeout: Duration = Field(timedelta(seconds=120), gt=timedelta(0), description="between two requests")
    connections_per_address: int = Field(
        5_000, ge=0, description="at the same time, but for TRUSTED_PROXIES; 0 counts none"
    )
    drain_delay: Duration = Field(
        timedelta(0),
        le=timedelta(seconds=15),
        description="that a process which was told to stop still serves, while balancers see that it is not ready",
    )

    redis_url: str = Field(
        "",
        description="joins replicas, shares limits; empty: none; `rediss://` is TLS; also read without the prefix",
        validation_alias=AliasChoices("QUADRA_REDIS_URL", "REDIS_URL"),
    )
    redis_host: str = Field("", description="instead of REDIS_URL, with the following")
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_username: str = ""
    redis_password: str = ""
    redis_db: int = Field(0, ge=0)
    redis_ssl: bool = Field(False, description="TLS, to Sentinels too")
    redis_ssl_ca: Path | None = Field(None, description="file with the certificate of the authority that signed Redis'")
    redis_max_connections: int = Field(50, ge=4, description="of each process")
    redis_use_sentinel: bool = Field(False, description="ask Sentinels for the master instead of naming a host")
    redis_sentinel_hosts: Words = Field([], description="`host:port`, with commas; the port may be left out (26379)")
    redis_sentinel_master: str = Field("mymaster", description="the name under which Sentinels know the master")
    redis_sentinel_password: str = Field("", description="of the Sentinels themselves")

    batch_max_events: int = Field(100, ge=1, description="seals a batch")
    batch_max_age: Duration = Field(timedelta(minutes=10), description="seals a batch")
    writer_queue_events: int = Field(20_000, ge=1, description="that may wait to be stored; beyond it senders get 503")
    writer_queue_bytes: int = Field(32 * 2**20, ge=1, description="that may wait to be stored")
    writer_flush_events: int = Field(4_000, ge=1, description="in one transaction at the most")
    writer_linger: Duration = Field(timedelta(milliseconds=2), description="how long a transaction waits for more")
    ingest_timeout: Duration = Field(timedelta(seconds=10), description="after which a sender is told to try again")

    job_concurrency: int = Field(2, ge=1, le=64, description="jobs at the same time in each worker")
    job_poll: Duration = Field(timedelta(seconds=5), gt=timedelta(0), description="for work nobody was woken for")
    job_max_attempts: int = Field(5, ge=1)
    job_backoff: Duration = Field(timedelta(seconds=60), description="after the first attempt; doubled after each more")
    job_lease: Duration = Field(timedelta(seconds=60), ge=timedelta(seconds=1), description="a dead worker's job waits")
    job_grace: Duration = Field(timedelta(seconds=10), description="for what runs when a worker is told to stop")
    job_keep: Duration = Field(timedelta(days=7), ge=timedelta(hours=2), description="of finished jobs; dead ones stay")
    stuck_after: Duration = Field(timedelta(minutes=15), ge=timedelta(seconds=1), description="of one attempt")

    llm_base_url: HttpAddress = Field(
        "", description="any server that speaks OpenAI's chat completions; empty is OpenAI's own"
    )
    llm_api_key: str = ""
    llm_model: str = ""
    llm_timeout: Duration = Field(timedelta(seconds=30), ge=timedelta(milliseconds=100), le=timedelta(minutes=5))
    llm_redact: bool = Field(True, description="whether user ids leave this machine only as keyed hashes")
    llm_max_tokens: int = Field(700, ge=50, le=32_000, description="of an answer")
    llm_prompt_usd_per_million: float | None = Field(None, ge=0, description="price of a million tokens")
    llm_completion_usd_per_million: float | None = Field(None, ge=0)
    breaker_failures: int = Field(5, ge=1, description="in a row, that open the breaker")
    breaker_cooldown: Duration = Field(timedelta(minutes=10), description="until one trial call is let through")
    archive_after: Duration = Field(timedelta(days=30), description="age from which analysed batches are archived")

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
    query_memory_mb: int = Field(1024, ge=64, description="for all questions of a process together")
    query_threads: int = Field(2, ge=1)
    query_concurrency: int = Field(4, ge=1, description="questions of a process at the same time")
    query_timeout: Duration = Field(timedelta(seconds=30), gt=timedelta(0))

    backup_dir: Path | None = Field(None, description="where backups lie; empty: backups/ in DATA_DIR")
    backup_secondary_dir: Path | None = Field(None, description="where each backup is copied, on another disk")
    backup_s3: BucketName = Field("", description="bucket or bucket/prefix where each backup is copied")
    backup_compression: Literal["zstd", "gzip"] = "zstd"
    backup_key_file: Path | None = Field(
        None, description="encrypts backups; a file of 32 bytes or more. Keep a copy: without it they cannot be read"
    )
    backup_age_warn: Duration = Field(timedelta(hours=48), description="the newest backup is too old from here on")
    backup_age_fail: Duration = timedelta(hours=72)
    backup_schedule: bool = Field(True, description="whether the worker takes backups at the times below")
    backup_models_at: CronTimes = Field("0 * * * *", description="when models are backed up: cron, UTC")
    backup_database_at: CronTimes = Field("0 2 * * *", description="when the database is backed up")
    backup_full_at: CronTimes = Field("0 3 * * 0", description="when everything is backed up")
    backup_prune_at: CronTimes = Field("0 4 * * *", description="when old backups are removed")
    backup_verify_at: CronTimes = Field("0 5 * * *", description="when the newest backup is restored on trial")
    backup_keep_days: int = Field(2, ge=0, description="for which every backup stays")
    backup_keep_hourly: int = Field(24, ge=0, description="hours of which the newest of each kind stays")
    backup_keep_daily: int = Field(7, ge=0)
    backup_keep_weekly: int = Field(4, ge=0)
    backup_keep_monthly: int = Field(6, ge=0)
    base_schedule: BaseSchedule = Field(
        "weekly",
        description="base backups that the worker takes where WAL_ARCHIVE is set: weekly (Sunday 01:00 UTC), daily, never "
        "or cron times",
    )
    base_keep: int = Field(
        2, ge=1, description="base backups of PostgreSQL that stay; with them the WAL since the oldest"
    )
    postgres_admin_url: str = Field(
        "", description="a superuser, for base backups, WAL switches and promotion; empty: the database's own user"
    )
    postgres_bin: Path | None = Field(None, description="where pg_basebackup, pg_ctl, pg_rewind lie, if not as usual")
    wal_archive: Path | None = Field(None, description="where archive_command puts the WAL; see quadra wal setup")
    replicas: Words = Field([], description="the database's replicas, as URLs or host:port, with commas")
    replica_lag_degraded: Duration = Field(timedelta(seconds=300), gt=timedelta(0))
    replica_lag_unhealthy: Duration = Field(timedelta(seconds=600), gt=timedelta(0))
    fence_command: str = Field("", description="makes sure that the old primary cannot write; run before a promotion")
    s3_endpoint: str = Field("", description="of an S3-compatible store; empty is Amazon's own")
    s3_region: str = "us-east-1"
    s3_access_key: str = Field("", description="empty: as the AWS tools find it, such as the machine's role")
    s3_secret_key: str = ""
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field("", description="that the store is asked for")

    use_structured_logging: bool = Field(False, description="JSON lines instead of lines for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    logs_dir: Path | None = Field(None, description="for files of JSON lines, all and errors only; empty: none")
    log_file_mb: int = Field(50, ge=1, description="size at which a log file is rotated")
    log_files_kept: int = Field(5, ge=1, description="rotated files that are kept of each")
    metrics_allow: Networks = Field(
        [], description="networks that may read /metrics without a key, beside this machine itself, with commas"
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="where a `quadra worker` that runs by itself shows its /metrics; empty: nowhere",
    )
    rate_limit_enabled: bool = Field(True, description="whether anything is counted; docs/limits.md")
    rate_limit_reads: int = Field(600, ge=1, description="requests a minute of a read or admin key, or of a user")
    rate_limit_training: int = Field(10, ge=1, description="trainings of the model a minute, the same way")
    rate_limit_ingest: int = Field(100_000, ge=0, description="events a minute of a write key; 0 counts none")
    rate_limit_refused: int = Field(
        600, ge=0, description="requests a minute of an address that ingest refuses for want of a key; 0 counts none"
    )
    rate_limit_strangers_hour: int = Field(
        50, ge=1, description="requests to /api of an address without key or session"
    )
    rate_limit_strangers_day: int = Field(200, ge=1)
    rate_limit_open: int = Field(120, ge=1, description="requests a minute of such an address to login, pages, status")
    rate_limit_login: int = Field(5, ge=1, description="tries a minute per account and address")
    rate_limit_share: int = Field(300, ge=1, description="requests a minute per address to share links")

    self_observe: bool = Field(True, description="whether requests, errors and samples go to the project `quadra`")
    self_observe_per_second: int = Field(
        10, ge=1, description="at the most, of each process; more is dropped and counted"
    )
    health_interval: Duration = Field(
        timedelta(seconds=30), ge=timedelta(seconds=1), description="between two reports that a worker keeps"
    )
    health_keep: Duration = Field(timedelta(days=7), ge=timedelta(minutes=1), description="of those reports")
    health_database_warn: Duration = Field(timedelta(milliseconds=100), description="a round trip is slow from here on")
    health_database_fail: Duration = timedelta(milliseconds=500)
    health_write_warn: Duration = Field(timedelta(milliseconds=500), description="a commit is slow from here on")
    health_write_fail: Duration = timedelta(seconds=2)
    health_pool_warn: float = Field(80, ge=0, le=100, description="percent of this process's connections in use")
    health_redis_warn: Duration = Field(timedelta(milliseconds=10), description="a ping is slow from here on")
    health_redis_fail: Duration = timedelta(milliseconds=50)
    health_backlog_warn: Duration = Field(timedelta(minutes=5), description="that a job which is due has waited")
    health_backlog_fail: Duration = timedelta(hours=1)
    health_dead_letters_warn: int = Field(10, ge=1, description="jobs that were given up within a day")
    health_ai_warn: Duration = Field(timedelta(seconds=1), description="the LLM's server is slow from here on")
    health_ai_fail: Duration = timedelta(seconds=5)
    health_disk_warn: float = Field(80, ge=0, le=100, description="percent of DATA_DIR's disk")
    health_disk_fail: float = Field(90, ge=0, le=100)
    health_memory_warn: float = Field(80, ge=0, le=100, description="percent of the machine's")
    health_memory_fail: float = Field(95, ge=0, le=100)
    health_cpu_warn: float = Field(80, ge=0, le=100, description="percent of the machine's, over five minutes")
    health_cpu_fail: float = Field(95, ge=0, le=100, description="told in stronger words; never worse than degraded")
    health_clock_warn: Duration = Field(
        timedelta(seconds=5),
        ge=timedelta(seconds=1),
        description="that another process's clock or the database's differs",
    )

    rollout_dir: Path | None = Field(None, description="of `quadra rollout`; empty: rollout/ in DATA_DIR")
    rollout_schema: str = Field(
        "",
        description="the watcher sets it: the newer schema, by additive migrations alone, that this release may run over",
    )
    supervisor_check: Duration = Field(
        timedelta(seconds=30), ge=timedelta(milliseconds=100), description="between two probes of each replica"
    )
    supervisor_failures: int = Field(3, ge=1, description="probes in a row after which a replica is restarted")
    supervisor_successes: int = Field(2, ge=1, description="probes in a row after which a new replica is ready")
    supervisor_attempts: int = Field(5, ge=1, description="restarts of a process before it is given up")
    supervisor_backoff: Duration = Field(
        timedelta(seconds=60), ge=timedelta(milliseconds=100), description="before the second restart; then doubled"
    )
    supervisor_reset_after: Duration = Field(
        timedelta(minutes=10), gt=timedelta(0), description="of being well, after which restarts are forgotten"
    )
    supervisor_start_timeout: Duration = Field(
        timedelta(seconds=60), ge=timedelta(seconds=1), description="for a new replica to be ready"
    )
    supervisor_gate_requests: int = Field(200, ge=1, description="to each new replica before it is used")
    supervisor_gate_p95: Duration = Field(
        timedelta(seconds=2), gt=timedelta(0), description="that 95 of 100 of them may take at the most"
    )
    supervisor_memory_mb: int | None = Field(
        None, ge=1, description="that a process with its children may take; empty: as much as it likes"
    )
    rollout_rehearsal_url: str = Field(
        "", description="a database restored from a backup: each release's migrations are tried on it first"
    )

    admin_email: str = Field("admin@quadra.local", description="the account that the first start makes")
    session_idle: Duration = Field(
        timedelta(days=7),
        ge=timedelta(minutes=1),
        description="after which a session that nobody used ends; 30 days end each",
    )
    registration_open: bool = Field(False, description="whether strangers may make themselves an account, as viewers")

    @model_validator(mode="after")
    def _fill_in(self) -> Settings:
        self.data_dir = data_directory(self.data_dir)
        if not self.database_url:
            self.database_url = sqlite_url(self.data_dir / "quadra.db")
        self.database_url = with_driver(self.database_url)
        self._check_redis()
        if (self.llm_base_url or self.llm_api_key) and not self.llm_model:
            raise ValueError("QUADRA_LLM_MODEL: name the model to ask, or leave QUADRA_LLM_BASE_URL and _API_KEY empty")
        if self.environment == "production" and (why := why_guessable(self.secret_key)):
            raise ValueError(f"QUADRA_SECRET_KEY: it {why}. {SECRET_ACCEPTED}")
        return self

    def _check_redis(self) -> None:
        """`redis_url` is where Redis is, whichever way it was named; with Sentinel nobody knows before asking."""
        if self.redis_use_sentinel:
            if not self.redis_sentinel_hosts:
                raise ValueError("QUADRA_REDIS_SENTINEL_HOSTS: name the Sentinels, such as a:26379,b:26379,c:26379")
            if self.redis_url or self.redis_host:
                raise ValueError("QUADRA_REDIS_USE_SENTINEL: leave REDIS_URL and QUADRA_REDIS_HOST empty then")
            for word in self.redis_sentinel_hosts:
                sentinel_address(word)
        elif self.redis_sentinel_hosts:
            raise ValueError("QUADRA_REDIS_SENTINEL_HOSTS: they are asked only with QUADRA_REDIS_USE_SENTINEL=true")
        elif not self.redis_url and self.redis_host:
            scheme = "rediss" if self.redis_ssl else "redis"
            name, password = quote(self.redis_username, safe=""), quote(self.redis_password, safe="")
            auth = f"{name}:{password}@" if name or password else ""
            host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
            self.redis_url = f"{scheme}://{auth}{host}:{self.redis_port}/{self.redis_db}"
        if self.redis_url and not re.match(r"(rediss?|unix)://", self.redis_url):
            raise ValueError("REDIS_URL: starts with redis://, rediss:// or unix://")
        if self.redis_ssl_ca and not self.redis_ssl_ca.is_file():
            raise ValueError(f"QUADRA_REDIS_SSL_CA: there is no file {self.redis_ssl_ca}")

    @property
    def redis_configured(self) -> bool:
        return bool(self.redis_url) or self.redis_use_sentinel

    @property
    def llm_configured(self) -> bool:
        return bool(self.llm_base_url or self.llm_api_key)

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def _read_secret_files() -> dict[str, str]:
    """`QUADRA_X_FILE=/run/secrets/x` gives `QUADRA_X` its value; the plain variable wins."""
    found: dict[str, str] = {}
    for name, path in os.environ.items():
        if not name.endswith("_FILE") or not name.startswith(("QUADRA_", "DATABASE_URL", "REDIS_URL")):
            continue
        plain = name.removesuffix("_FILE")
        if plain in os.environ:
            continue
        try:
            found[plain] = Path(path).read_text().strip()
        except OSError as error:
            raise Misconfigured(f"{name}: cannot read {path}: {error.strerror}") from error
    return found


def load(**overrides: Any) -> Settings:
    """The settings of this process. `overrides` win over the environment. Raises `Misconfigured` with every wrong name."""
    os.environ.update(_read_secret_files())
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(item) for item in error.errors())) from error


def _explain(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return str(message)
    name = str(item["loc"][0]).upper()
    name = name if name.startswith(("QUADRA_", "DATABASE_URL", "REDIS_URL")) else f"QUADRA_{name}"
    return f"{name}={item['input']!r} is not accepted: {message}"
