"""What the doors for the people who run Quadra take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.api.params import says, within
from quadra.jobs import operating
from quadra.jobs.answers import Job, JobId, without_paths
from quadra.jobs.tables import PausedKind

KindName = Annotated[str, Meta(examples=["analyse"])]
Reason = Annotated[str, Meta(min_length=1, max_length=500, description="Kept in the audit log.", examples=["upgrade"])]


class Worker(Struct, kw_only=True):
    name: Annotated[str, Meta(description="Machine, process and start.", examples=["app-1:4711:0d8f8a1f3c11"])]
    host: Annotated[str, Meta(examples=["app-1"])]
    kinds: Annotated[list[str], Meta(examples=[["analyse"]])]
    threads: Annotated[int, Meta(description="Jobs that it runs at the same time; some kinds have one more.")]
    started_at: Time
    heartbeat_at: Time
    heartbeat_age_seconds: float
    jobs: list[Job]


class Workers(Struct, kw_only=True):
    workers: list[Worker]
    heartbeat_seconds: Annotated[
        float, Meta(description="How far apart heartbeats are; three times that long is late.")
    ]


class KindPause(Struct, kw_only=True):
    at: Time
    by: str | None
    reason: str


class KindOfJob(Struct, kw_only=True):
    kind: KindName
    paused: KindPause | None
    due: Annotated[int, Meta(description="A worker could claim them now.")]
    later: Annotated[int, Meta(description="They wait for the time of their next attempt.")]
    running: int
    dead: int
    done: Annotated[list[int], Meta(description="In each five minutes of the last hour, the oldest first.")]
    failed: Annotated[list[int], Meta(description="Dead letters of the same times.")]


class Kinds(Struct, kw_only=True):
    kinds: list[KindOfJob]


class WhichDurations(Struct, kw_only=True):
    kind: Annotated[str | None, says("Only jobs of this kind.")] = None
    hours: Annotated[int, within(1, 168, "How far back.")] = 24


class DurationBar(Struct, kw_only=True):
    up_to_ms: Annotated[int | None, Meta(description="Null: longer than all others.")]
    jobs: int


class DurationPoint(Struct, kw_only=True):
    at: Time
    jobs: int
    p50_ms: float
    p95_ms: float


class JobDurations(Struct, kw_only=True):
    jobs: int
    cut: Annotated[bool, Meta(description="Only the newest 20,000 jobs were measured.")]
    histogram: list[DurationBar]
    series: list[DurationPoint]


class StoryStep(Struct, kw_only=True):
    at: Time
    what: Literal["made", "failed", "cancelled", "running", "next", "done", "dead", "discarded", "decided"]
    text: str
    attempt: int | None = None
    worker: str | None = None
    seconds: float | None = None
    by: Annotated[str | None, Meta(description="For editors: who decided it.")] = None


class JobStory(Struct, kw_only=True):
    job: Job
    args: Annotated[dict[str, Any] | None, Meta(description="Null for a key of one project.", examples=[{}])]
    steps: Annotated[list[StoryStep], Meta(description="The oldest first.")]


class WithReason(Struct, kw_only=True):
    reason: Reason


class Bulk(Struct, kw_only=True):
    expected: Annotated[
        int, within(1, 10_000_000, "How many there are as you saw it; 409 where it is another number now.")
    ]
    reason: Reason
    project: Annotated[str | None, says("Only dead letters of this project.")] = None
    kind: Annotated[str | None, says("Only of this kind.")] = None
    batch_id: Annotated[str | None, says("Only of this batch.")] = None
    search: Annotated[str, says("Only those whose arguments or errors hold this."), Meta(max_length=200)] = ""


class BulkRefusal(Struct, kw_only=True):
    job_id: JobId
    message: str


class BulkDone(Struct, kw_only=True):
    changed: int
    refused: Annotated[list[BulkRefusal], Meta(description="They are as they were.")]
    left: Annotated[int, Meta(description="Beyond the 1,000 of one request: ask again with this number and `refused`.")]


def pause_shown(row: PausedKind, *, names: bool) -> KindPause:
    return KindPause(at=clock.iso(row.at), by=row.by if names else None, reason=row.reason)


def kind_shown(row: operating.Kind, *, names: bool) -> KindOfJob:
    return KindOfJob(
        kind=row.kind,
        paused=None if row.paused is None else pause_shown(row.paused, names=names),
        due=row.due,
        later=row.later,
        running=row.running,
        dead=row.dead,
        done=row.done,
        failed=row.failed,
    )


def durations_shown(found: operating.Durations) -> JobDurations:
    bounds: list[int | None] = [*operating.BOUNDS_MS, None]
    return JobDurations(
        jobs=found.jobs,
        cut=found.cut,
        histogram=[DurationBar(up_to_ms=up_to, jobs=jobs) for up_to, jobs in zip(bounds, found.counts, strict=True)],
        series=[
            DurationPoint(at=clock.iso(one.at), jobs=one.jobs, p50_ms=one.p50_ms, p95_ms=one.p95_ms)
            for one in found.points
        ],
    )


def step_shown(step: operating.Step, *, whole: bool) -> StoryStep:
    return StoryStep(
        at=clock.iso(step.at),
        what=step.what,  # type: ignore[arg-type]
        text=step.text if whole else without_paths(step.text),
        attempt=step.attempt,
        worker=step.worker if whole else None,
        seconds=step.seconds,
    )
