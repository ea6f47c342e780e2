"""What the doors of the queue answer, and how it is made of a row."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, Struct, structs

from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.paging import Around
from quadra.core.typed import Typed
from quadra.jobs import tables
from quadra.jobs.errors import FailedAttempt
from quadra.jobs.states import JobState, Trigger

PATH = re.compile(r"(?<![\w:/.])/(?:[^\s/:'\"]+/)+[^\s/:'\",]*")
Text = TypeVar("Text", str, str | None)
JobId = Annotated[str, Meta(examples=["019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11"])]
BatchId = Annotated[str, Meta(examples=["019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42"])]
History = Annotated[list[FailedAttempt], Meta(description="One entry for each failed attempt.", examples=[[]])]

_attempts = Typed(list[FailedAttempt])


class Job(Struct, kw_only=True):
    job_id: JobId
    kind: Annotated[str, Meta(examples=["analyse"])]
    batch_id: BatchId | None
    status: JobState
    attempt_count: int
    max_attempts: int
    trigger_type: Trigger
    priority: int
    worker: str | None
    lock_expires_at: Time | None
    last_error: str | None
    error_context: History
    analysis_time_ms: float | None
    available_at: Time
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    updated_at: Time


class DeadLetter(Job):
    dlq_id: JobId
    failed_at: Time | None
    history: History


class JobPage(Around):
    jobs: list[Job]


class DeadLetterPage(Around):
    dead_letters: list[DeadLetter]


class TheJob(Struct, kw_only=True):
    job: Job


def job_shown(row: tables.Job, *, whole: bool) -> Job:
    """`whole` is for those who may see the installation: others learn no path of its machines."""
    took = (row.finished_at - row.started_at) if row.state == "SUCCESS" and row.finished_at and row.started_at else None
    return Job(
        job_id=row.id,
        kind=row.kind,
        batch_id=row.batch_id,
        status=row.state,
        attempt_count=row.attempt,
        max_attempts=row.max_attempts,
        trigger_type=row.trigger,
        priority=row.priority,
        worker=row.leased_by,
        lock_expires_at=clock.iso_or_none(row.lease_expires_at),
        last_error=row.last_error if whole else without_paths(row.last_error),
        error_context=_history(row, whole=whole),
        analysis_time_ms=None if took is None else round(took.total_seconds() * 1000, 3),
        available_at=clock.iso(row.available_at),
        created_at=clock.iso(row.created_at),
        started_at=clock.iso_or_none(row.started_at),
        finished_at=clock.iso_or_none(row.finished_at),
        updated_at=clock.iso(row.updated_at),
    )


def dead_letter_shown(row: tables.Job, *, whole: bool) -> DeadLetter:
    job = job_shown(row, whole=whole)
    return DeadLetter(
        **structs.asdict(job), dlq_id=row.id, failed_at=clock.iso_or_none(row.finished_at), history=job.error_context
    )


def _history(row: tables.Job, *, whole: bool) -> list[FailedAttempt]:
    attempts = _attempts.convert(row.error_context)
    if not whole:
        for attempt in attempts:
            attempt.traceback = ""
            attempt.message = "" if attempt.message is UNSET else without_paths(attempt.message)
    return attempts


def without_paths(text: Text) -> Text:
    """For readers who may not see the installation."""
    return PATH.sub("…", text) if text else text
