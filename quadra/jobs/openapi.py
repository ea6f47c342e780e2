"""The doors of the queue, described. A new route of this room is described here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from quadra.core.openapi import Answer, Door, Group, Param, Time
from quadra.jobs.routes import LIMIT, LIMIT_MOST, PAGE_MOST
from quadra.jobs.states import JOB_STATES

State = Annotated[str, Meta(extra_json_schema={"enum": list(JOB_STATES)})]


class Job(Struct):
    job_id: str
    kind: str
    batch_id: str | None
    status: State
    attempt_count: int
    max_attempts: int
    trigger_type: Literal["SCHEDULED", "MANUAL"]
    priority: int
    worker: str | None
    lock_expires_at: Time | None
    last_error: str | None
    error_context: Annotated[list[dict[str, Any]], Meta(description="One entry for each failed attempt.")]
    analysis_time_ms: float | None
    available_at: Time
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    updated_at: Time


class DeadLetter(Job):
    dlq_id: str
    failed_at: Time | None
    history: list[dict[str, Any]]


class JobPage(Struct):
    jobs: list[Job]
    total: int
    count: int
    cursor: str | None


class DeadLetterPage(Struct):
    dead_letters: list[DeadLetter]
    total: int
    count: int
    cursor: str | None


class TheJob(Struct):
    job: Job


KIND = Param(name="kind", shape=str, says="Only jobs of this kind.")
PROJECT = Param(name="project", shape=str, says="Left out: all that you may see.")
BATCH = Param(name="batch_id", shape=str, says="Only jobs of this batch.")
PAGING = (
    Param(name="limit", shape={"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT}),
    Param(name="cursor", shape=str, says="That of the page before."),
    Param(name="page", shape={"type": "integer", "minimum": 1, "maximum": PAGE_MOST, "default": 1}),
)
STATUS = Param(
    name="status",
    shape={"enum": list(JOB_STATES)},
    says=" ".join(f"{state}: {says}." for state, says in JOB_STATES.items()),
)
JOB_ID = Param(name="job_id", shape=str, example="019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11")
JOB = {
    "job_id": "019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11",
    "kind": "analyze",
    "batch_id": "019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42",
    "status": "SUCCESS",
    "attempt_count": 1,
    "max_attempts": 5,
    "trigger_type": "SCHEDULED",
    "priority": 0,
    "worker": None,
    "lock_expires_at": None,
    "last_error": None,
    "error_context": [],
    "analysis_time_ms": 12.4,
    "available_at": "2026-01-31T12:00:00.000Z",
    "created_at": "2026-01-31T12:00:00.000Z",
    "started_at": "2026-01-31T12:00:00.010Z",
    "finished_at": "2026-01-31T12:00:00.022Z",
    "updated_at": "2026-01-31T12:00:00.022Z",
}

GROUPS = (
    Group(
        title="Jobs",
        says="What is done with the events after they are stored. Reading is for viewers, deciding for editors.",
        doors=(
            Door(
                method="GET",
                path="/api/admin/jobs",
                title="List jobs",
                needs="viewer",
                params=(PROJECT, STATUS, KIND, BATCH, *PAGING),
                answers={
                    200: Answer(
                        says="Newest first.",
                        shape=JobPage,
                        example={"jobs": [JOB], "total": 1, "count": 1, "cursor": None},
                    )
                },
                refuses=(404,),
            ),
            Door(
                method="GET",
                path="/api/admin/dead-letter-queue",
                title="List dead letters",
                says="Jobs that failed as often as they may: nothing happens to them until somebody decides.",
                needs="viewer",
                params=(PROJECT, KIND, BATCH, *PAGING),
                answers={200: Answer(says="The last to die first.", shape=DeadLetterPage)},
                refuses=(404,),
            ),
            Door(
                method="POST",
                path="/api/admin/dead-letter-queue/{job_id}/requeue",
                title="Run a dead letter again",
                says="409 where it is none any more, or one like it is unfinished.",
                needs="editor",
                params=(JOB_ID,),
                answers={202: Answer(says="It waits for a worker.", shape=TheJob)},
                refuses=(404, 409),
            ),
            Door(
                method="POST",
                path="/api/admin/dead-letter-queue/{job_id}/discard",
                title="Discard a dead letter",
                says="It will never be done. 409 where it is no dead letter any more.",
                needs="editor",
                params=(JOB_ID,),
                answers={200: Answer(says="It is discarded.", shape=TheJob)},
                refuses=(404, 409),
            ),
        ),
    ),
)
