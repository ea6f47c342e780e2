"""What the people who run Quadra ask about the queue: each kind, how long its jobs take, and the story of one job. Reads only."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.jobs.pausing import list_paused
from quadra.jobs.questions import HOUR, known_kinds
from quadra.jobs.states import DISCARDED, FAILED, PENDING, RUNNING, SUCCESS
from quadra.jobs.tables import Job, PausedKind

STEP = timedelta(minutes=5)
STEPS = HOUR // STEP
MEASURED = 20_000
"""Jobs whose durations are read, the newest ones."""
BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000)
POINTS = 48


@dataclass
class Kind:
    kind: str
    paused: PausedKind | None = None
    due: int = 0
    later: int = 0
    """They wait for the time of their next attempt."""
    running: int = 0
    dead: int = 0
    done: list[int] = field(default_factory=lambda: [0] * STEPS)
    """In each five minutes of the last hour, the oldest first."""
    failed: list[int] = field(default_factory=lambda: [0] * STEPS)


def list_kinds(session: Session) -> list[Kind]:
    """Every kind that a worker does or a job has."""
    at = clock.now()
    paused = list_paused(session)
    kinds = {kind: Kind(kind, paused.get(kind)) for kind in (*known_kinds(session), *paused)}
    is_due = sa.case((Job.available_at <= at, 1), else_=0)
    waiting = sa.select(Job.kind, sa.func.count(), sa.func.sum(is_due)).where(Job.state == PENDING).group_by(Job.kind)
    for kind, count, due in session.execute(waiting):
        kinds[kind].due, kinds[kind].later = int(due), count - int(due)
    held = sa.select(Job.kind, Job.state, sa.func.count()).where(Job.state.in_((RUNNING, FAILED)))
    for kind, state, count in session.execute(held.group_by(Job.kind, Job.state)):
        setattr(kinds[kind], "running" if state == RUNNING else "dead", count)
    start_us, step_us = clock.to_us(at - HOUR), STEP // timedelta(microseconds=1)
    step = sa.type_coerce((sa.type_coerce(Job.finished_at, sa.BigInteger) - start_us) // step_us, sa.BigInteger)
    ended = sa.select(Job.kind, Job.state, step.label("step"), sa.func.count()).where(
        Job.state.in_((SUCCESS, FAILED)), Job.finished_at > at - HOUR
    )
    for kind, state, number, count in session.execute(ended.group_by(Job.kind, Job.state, step)):
        where = kinds[kind].done if state == SUCCESS else kinds[kind].failed
        where[min(max(int(number), 0), STEPS - 1)] += count
    return sorted(kinds.values(), key=lambda one: one.kind)


@dataclass(frozen=True, slots=True)
class Point:
    at: datetime
    jobs: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Durations:
    counts: list[int]
    """Of each of `BOUNDS_MS`, and of what took longer than the last of them."""
    points: list[Point]
    jobs: int
    cut: bool
    """Whether there were more than `MEASURED`: then `points` begin later."""


def durations(session: Session, *, kind: str | None, length: timedelta) -> Durations:
    """How long jobs that ended well took, in that time until now."""
    now = clock.now()
    query = sa.select(Job.started_at, Job.finished_at).where(Job.state == SUCCESS, Job.finished_at > now - length)
    if kind is not None:
        query = query.where(Job.kind == kind)
    rows = session.execute(query.order_by(Job.finished_at.desc()).limit(MEASURED + 1)).all()
    counts = [0] * (len(BOUNDS_MS) + 1)
    groups: dict[int, list[float]] = defaultdict(list)
    width = length / POINTS
    for started, finished in rows[:MEASURED]:
        if started is None or finished is None:
            continue
        took = max(0.0, (finished - started) / timedelta(milliseconds=1))
        counts[bisect.bisect_left(BOUNDS_MS, took)] += 1
        groups[(finished - (now - length)) // width].append(took)
    points = [
        Point(now - length + number * width, len(took), _at(sorted(took), 0.5), _at(sorted(took), 0.95))
        for number, took in sorted(groups.items())
    ]
    return Durations(counts, points, sum(counts), len(rows) > MEASURED)


def _at(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)


def running_on(session: Session) -> dict[str, list[Job]]:
    """worker -> the jobs that it holds."""
    held: dict[str, list[Job]] = defaultdict(list)
    query = sa.select(Job).where(Job.state == RUNNING).order_by(Job.started_at, Job.id).limit(1_000)
    for job in session.scalars(query):
        held[job.leased_by or ""].append(job)
    return held


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a job."""

    at: datetime
    what: str
    text: str
    attempt: int | None = None
    worker: str | None = None
    seconds: float | None = None


def story(job: Job) -> list[Step]:
    """What happened to the job, the oldest first. Attempts that a stopping worker gave back leave no trace."""
    steps = [Step(job.created_at, "made", "Put into the queue" + (" by hand" if job.trigger == "MANUAL" else ""))]
    for one in job.error_context:
        if (at := _moment(one)) is None:
            continue
        what = "cancelled" if one.get("error_type") == "Cancelled" else "failed"
        worker = one.get("worker")
        steps.append(Step(at, what, str(one.get("message", "")), one.get("attempt"), worker, one.get("seconds")))
    if job.state == RUNNING and job.started_at:
        running = (clock.now() - job.started_at).total_seconds()
        steps.append(Step(job.started_at, "running", "An attempt began", job.attempt, job.leased_by, round(running, 3)))
    if job.state == PENDING and job.available_at > clock.now():
        steps.append(Step(job.available_at, "next", "The next attempt, not before then", job.attempt + 1))
    if job.state == SUCCESS and job.started_at and job.finished_at:
        took = (job.finished_at - job.started_at).total_seconds()
        steps.append(Step(job.finished_at, "done", "Done", job.attempt, job.leased_by, round(took, 3)))
    if job.state in (FAILED, DISCARDED) and job.finished_at and steps[-1].what != "cancelled":
        text = "No attempt is left: a dead letter" if job.state == FAILED else "Discarded"
        steps.append(Step(job.finished_at, "dead" if job.state == FAILED else "discarded", text))
    return sorted(steps, key=lambda step: step.at)


def _moment(entry: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(entry.get("at", "")))
    except ValueError:  # written by hand, or by another release
        return None
