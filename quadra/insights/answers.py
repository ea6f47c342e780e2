"""What the doors of batches and insights answer, and how it is made of rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.api.params import says
from quadra.core.paging import Around
from quadra.ingest import tables as ingest
from quadra.ingest.tables import BatchState
from quadra.insights import tables
from quadra.insights.tables import BreakerState
from quadra.jobs.answers import BatchId, Job, without_paths
from quadra.jobs.questions import JobNumbers
from quadra.jobs.tables import Job as JobRow

Analyst = Literal["local", "llm", "field"]
Slug = Annotated[str, Meta(examples=["shop"])]
Seconds = Annotated[float, Meta(ge=0)]


class AnalysisJob(Struct):
    job_id: str
    status: str
    attempt_count: int
    last_error: str | None


class Batch(Struct, kw_only=True):
    batch_id: BatchId
    project: Slug | None
    status: BatchState
    event_count: int
    created_at: Time
    sealed_at: Time | None
    analyzed_at: Time | None
    archived_at: Time | None
    analysis_job: AnalysisJob | UnsetType = UNSET


class BatchPage(Around):
    batches: list[Batch]


class TimeWindow(Struct, rename={"from_": "from"}):
    from_: Time | None
    to: Time | None


class Insight(Struct, kw_only=True):
    """What one analyst said about one batch, or the field about some minutes. Every number in its sentences stands in
    `evidence`."""

    id: str
    project: Slug | None
    batch_id: Annotated[BatchId | None, says("null for an anomaly of a signal: it is of minutes.")]
    analyst: Analyst
    summary: Annotated[str, Meta(examples=["4 of 100 events failed, twice as many as usual."])]
    confidence: Annotated[float, Meta(ge=0, le=1, examples=[0.82])]
    patterns: Annotated[list[str], Meta(examples=[["4 % of events failed."]])]
    recommendations: Annotated[list[str], Meta(examples=[["Look at the errors of /checkout."]])]
    evidence: Annotated[dict[str, Any], Meta(examples=[{"failed": 4, "events": 100}])]
    model: str | None
    tokens: int | None
    cost_usd: float | None
    event_count: int
    time_window: TimeWindow
    analysis_time_ms: float
    created_at: Time
    updated_at: Annotated[Time | None, says("When an anomaly last went on; null for what never changes.")]


class InsightPage(Around):
    insights: list[Insight]


class BatchWithInsights(Batch):
    insights: list[Insight]


class Sealed(Struct):
    batch_id: BatchId
    status: BatchState
    job: Job | None


class Asked(Struct):
    batch_id: BatchId
    job: Job


class StillToDo(Struct):
    jobs: int
    by_kind: Annotated[dict[str, int], Meta(examples=[{"analyse": 1}])]


class Flushed(Struct):
    """`done`: nothing is left; otherwise `left` says what."""

    sealed: list[BatchId]
    done: bool
    left: StillToDo
    waited_seconds: Seconds


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
    state: BreakerState
    failure_count: int
    last_state_change: Time | None
    """None before the first call."""
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
    project: Slug
    events: EventNumbers
    batches: BatchNumbers
    insights: InsightNumbers


def insight_shown(row: tables.Insight, slug: str | None = None) -> Insight:
    return Insight(
        id=row.id,
        project=slug,
        batch_id=row.batch_id,
        analyst=cast("Analyst", row.analyst),
        summary=row.summary,
        confidence=row.confidence,
        patterns=row.patterns,
        recommendations=row.recommendations,
        evidence=row.evidence,
        model=row.model,
        tokens=row.tokens,
        cost_usd=row.cost_usd,
        event_count=row.event_count,
        time_window=TimeWindow(from_=clock.iso_or_none(row.window_from), to=clock.iso_or_none(row.window_to)),
        analysis_time_ms=row.analysis_ms,
        created_at=clock.iso(row.created_at),
        updated_at=clock.iso_or_none(row.updated_at),
    )


def batch_shown(row: ingest.Batch, slug: str | None, job: JobRow | None) -> Batch:
    return Batch(
        batch_id=row.id,
        project=slug,
        status=row.status,
        event_count=row.event_count,
        created_at=clock.iso(row.opened_at),
        sealed_at=clock.iso_or_none(row.sealed_at),
        analyzed_at=clock.iso_or_none(row.analyzed_at),
        archived_at=clock.iso_or_none(row.archived_at),
        analysis_job=UNSET
        if job is None
        else AnalysisJob(
            job_id=job.id, status=job.state, attempt_count=job.attempt, last_error=without_paths(job.last_error)
        ),
    )


def batch_with_insights(
    row: ingest.Batch, slug: str | None, job: JobRow | None, insights: list[Insight]
) -> BatchWithInsights:
    return BatchWithInsights(**structs.asdict(batch_shown(row, slug, job)), insights=insights)
