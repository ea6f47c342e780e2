"""What the doors of insights answer, as types for their description."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from quadra.core.openapi import Time
from quadra.ingest.tables import BATCH_STATES
from quadra.insights.routes import ANALYSTS
from quadra.insights.tables import BREAKER_STATES
from quadra.jobs.openapi import Job

Status = Annotated[str, Meta(extra_json_schema={"enum": list(BATCH_STATES)})]
Seconds = Annotated[float, Meta(ge=0)]


class AnalysisJob(Struct):
    job_id: str
    status: str
    attempt_count: int
    last_error: str | None


class Batch(Struct):
    batch_id: str
    project: str | None
    status: Status
    event_count: int
    created_at: Time
    sealed_at: Time | None
    analyzed_at: Time | None
    archived_at: Time | None
    analysis_job: AnalysisJob | UnsetType = UNSET


class BatchPage(Struct):
    batches: list[Batch]
    total: int
    count: int
    cursor: str | None


class TimeWindow(Struct, rename={"from_": "from"}):
    from_: Time | None
    to: Time | None


class Insight(Struct):
    """What one analyst said about one batch. Every number in its sentences stands in `evidence`."""

    id: str
    project: str | None
    batch_id: str
    analyst: Annotated[str, Meta(extra_json_schema={"enum": list(ANALYSTS)})]
    summary: str
    confidence: Annotated[float, Meta(ge=0, le=1)]
    patterns: list[str]
    recommendations: list[str]
    evidence: dict[str, Any]
    model: str | None
    tokens: int | None
    cost_usd: float | None
    event_count: int
    time_window: TimeWindow
    analysis_time_ms: float
    created_at: Time


class InsightPage(Struct):
    insights: list[Insight]
    total: int
    count: int
    cursor: str | None


class BatchWithInsights(Batch):
    insights: list[Insight] = []


class Sealed(Struct):
    batch_id: str
    status: Status
    job: Job | None


class Asked(Struct):
    batch_id: str
    job: Job


class StillToDo(Struct):
    jobs: int
    by_kind: dict[str, int]


class Flushed(Struct):
    """`done`: nothing is left; otherwise `left` says what."""

    sealed: list[str]
    done: bool
    left: StillToDo
    waited_seconds: Seconds


class JobNumbers(Struct):
    pending: int
    running: int
    success_last_hour: int
    failed_last_hour: int
    oldest_pending_age_seconds: float | None


class BatchNumbers(Struct):
    open: int
    sealed: int
    analyzed: int
    archived: int
    oldest_open_age_seconds: float | None


class Performance(Struct):
    avg_analysis_time_ms: float | None
    p95_analysis_time_ms: float | None
    avg_batch_size: float | None
    claim_latency_ms: float | None


class Breaker(Struct):
    state: Annotated[str, Meta(extra_json_schema={"enum": list(BREAKER_STATES)})]
    failure_count: int
    last_state_change: Time
    opened_at: Time | None


class DeadLetters(Struct):
    total: int
    last_24_hours: int


class Metrics(Struct):
    jobs: JobNumbers
    batches: BatchNumbers
    performance: Performance
    circuit_breaker: dict[str, Breaker]
    dead_letter_queue: DeadLetters


class EventNumbers(Struct):
    total: int


class AnalystNumbers(Struct):
    count: int
    cost_usd: float
    tokens: int


class InsightNumbers(Struct):
    total: int
    by_analyst: dict[str, AnalystNumbers]
    latest: list[Insight]


class Stats(Struct):
    project: str
    events: EventNumbers
    batches: BatchNumbers
    insights: InsightNumbers
