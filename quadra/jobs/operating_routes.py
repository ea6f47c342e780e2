"""The HTTP doors for the people who run Quadra: viewers look, editors pause, cancel and decide; each deed has a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from quadra.accounts.access import caller, require, require_installation, require_project
from quadra.accounts.noting import note
from quadra.accounts.tables import AuditEntry
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params
from quadra.core.web.http import runtime
from quadra.jobs import bulk, dead_letters, operating, operating_answers, pausing, questions
from quadra.jobs.answers import TheJob, job_shown
from quadra.jobs.cancelling import cancel
from quadra.jobs.operating_answers import (
    Bulk,
    BulkDone,
    BulkRefusal,
    JobDurations,
    JobStory,
    KindName,
    Kinds,
    StoryStep,
    WhichDurations,
    WithReason,
    Worker,
    Workers,
)
from quadra.jobs.questions import Wanted
from quadra.jobs.routes import JOB_ID, require_editor_of, require_viewer_of
from quadra.jobs.tables import Job

doors = Doors("operating", __name__)

KIND = {"kind": Param(name="kind", shape=KindName, example="analyse")}
DEEDS_SHOWN = 50
IDS_NOTED = 100


@doors(
    "GET",
    "/api/admin/workers",
    title="Which workers are alive?",
    says="Those that beat lately, and the jobs that each holds.",
    needs="viewer",
    answers=Workers,
    answer_says="The oldest first.",
)
def show_workers() -> Workers:
    require_installation()
    beat = runtime().settings.job_lease / 3
    with runtime().database.read() as session:
        held = operating.running_on(session)
        return Workers(
            workers=[
                Worker(
                    name=row.name,
                    host=row.name.split(":")[0],
                    kinds=row.kinds,
                    threads=row.concurrency,
                    started_at=clock.iso(row.started_at),
                    heartbeat_at=clock.iso(row.heartbeat_at),
                    heartbeat_age_seconds=round(max(0.0, (clock.now() - row.heartbeat_at).total_seconds()), 3),
                    jobs=[job_shown(job, whole=True) for job in held.get(row.name, [])],
                )
                for row in questions.list_workers(session)
            ],
            heartbeat_seconds=beat.total_seconds(),
        )


@doors(
    "GET",
    "/api/admin/kinds",
    title="How does each kind of job stand?",
    says="What waits, what runs, what was done in the last hour, and whether it is paused. Of all projects.",
    needs="viewer",
    answers=Kinds,
    answer_says="By name.",
)
def show_kinds() -> Kinds:
    require_installation()
    with runtime().database.read() as session:
        found = operating.list_kinds(session)
    return Kinds(kinds=[operating_answers.kind_shown(one, names=caller().may("editor")) for one in found])


@doors(
    "GET",
    "/api/admin/durations",
    title="How long do jobs take?",
    says="Those that ended well. A histogram, and the half and the 95th percentile over time.",
    needs="viewer",
    asks=Params(WhichDurations),
    answers=JobDurations,
    answer_says="The oldest first.",
)
def show_durations(asked: WhichDurations) -> JobDurations:
    require_installation()
    with runtime().database.read() as session:
        found = operating.durations(session, kind=asked.kind, length=timedelta(hours=asked.hours))
    return operating_answers.durations_shown(found)


@doors(
    "POST",
    "/api/admin/kinds/{kind}/pause",
    title="Pause a kind of job",
    says="No worker claims another job of it until it is resumed. Running jobs continue; waiting jobs stay.",
    needs="editor",
    named=KIND,
    asks=Params(WithReason),
    answers=Kinds,
    answer_says="It is paused.",
    refuses=(404, 409),
)
def pause_kind(asked: WithReason, kind: str) -> Kinds:
    by = require("editor")
    with runtime().database.begin() as session:
        pausing.pause(session, kind, by=by.actor, reason=asked.reason)
        note(session, "jobs.kind.paused", subject=kind, details={"reason": asked.reason})
    return show_kinds()


@doors(
    "POST",
    "/api/admin/kinds/{kind}/resume",
    title="Resume a kind of job",
    says="Workers are woken.",
    needs="editor",
    named=KIND,
    asks=Params(WithReason),
    answers=Kinds,
    answer_says="It is claimed again.",
    refuses=(404,),
)
def resume_kind(asked: WithReason, kind: str) -> Kinds:
    require("editor")
    with runtime().database.begin() as session:
        pausing.resume(session, kind)
        note(session, "jobs.kind.resumed", subject=kind, details={"reason": asked.reason})
    return show_kinds()


@doors(
    "GET",
    "/api/admin/jobs/{job_id}",
    title="The story of a job",
    says="Attempt by attempt, with what people decided.",
    needs="viewer",
    named=JOB_ID,
    answers=JobStory,
    refuses=(404,),
)
def show_job(job_id: str) -> JobStory:
    require_viewer_of(job_id)
    whole = caller().sees_installation
    with runtime().database.read() as session:
        job = dead_letters.get_job(session, job_id)
        steps = [operating_answers.step_shown(step, whole=whole) for step in operating.story(job)]
        steps += _deeds(session, job)
        shown, args = job_shown(job, whole=whole), job.args if whole else None
    return JobStory(job=shown, args=args, steps=sorted(steps, key=lambda step: step.at))


@doors(
    "POST",
    "/api/admin/jobs/{job_id}/cancel",
    title="Cancel a job",
    says="It becomes DISCARDED. One that runs is told to stop; what it still does has no effect on the database. 409 where "
    "it has ended.",
    needs="editor",
    named=JOB_ID,
    asks=Params(WithReason),
    answers=TheJob,
    answer_says="It is cancelled.",
    refuses=(404, 409),
)
def cancel_job(asked: WithReason, job_id: str) -> TheJob:
    require_editor_of(job_id)
    with runtime().database.begin() as session:
        job = cancel(session, job_id, reason=asked.reason)
        details = {"kind": job.kind, "reason": asked.reason}
        note(session, "jobs.job.cancelled", subject=job.id, project_id=job.project_id, details=details)
        return TheJob(job=job_shown(job, whole=caller().sees_installation))


@doors(
    "POST",
    "/api/admin/dead-letter-queue/requeue",
    title="Run many dead letters again",
    says="The newest 1,000 that fit, each as by its own door.",
    needs="editor",
    asks=Params(Bulk),
    answers=BulkDone,
    answer_says="They wait for a worker.",
    refuses=(404, 409),
)
def requeue_many(asked: Bulk) -> BulkDone:
    return _decide(asked, dead_letters.requeue, "jobs.dead_letters.requeued")


@doors(
    "POST",
    "/api/admin/dead-letter-queue/discard",
    title="Discard many dead letters",
    says="The newest 1,000 that fit. They will never be done.",
    needs="editor",
    asks=Params(Bulk),
    answers=BulkDone,
    answer_says="They are discarded.",
    refuses=(404, 409),
)
def discard_many(asked: Bulk) -> BulkDone:
    return _decide(asked, dead_letters.discard, "jobs.dead_letters.discarded")


def _decide(asked: Bulk, decide: bulk.Decide, action: str) -> BulkDone:
    if asked.project is None:
        require("editor")
        projects, project_id = None, None
    else:
        project_id = require_project(asked.project, "editor").id
        projects = frozenset({project_id})
    if asked.search:
        require_installation()
    filters = {"kind": asked.kind, "batch_id": asked.batch_id, "search": asked.search}

    def noted(session: Any, portion: bulk.Decided) -> None:
        details = {"jobs": len(portion.changed), "reason": asked.reason, "ids": portion.changed[:IDS_NOTED]}
        details |= {name: value for name, value in filters.items() if value}
        note(session, action, subject=asked.kind or "", project_id=project_id, details=details)

    wanted = Wanted(None, asked.kind, asked.batch_id, projects, asked.search)
    done = bulk.decide_all(runtime().database, wanted, decide, expected=asked.expected, note=noted)
    refused = [BulkRefusal(job_id=job_id, message=message) for job_id, message in done.refused.items()]
    return BulkDone(changed=len(done.changed), refused=refused, left=done.left)


def _deeds(session: Any, job: Job) -> list[StoryStep]:
    """What people decided about this job alone. The story of its attempts says already that it was cancelled."""
    query = (
        sa.select(AuditEntry)
        .where(AuditEntry.at >= job.created_at, AuditEntry.subject == job.id)
        .where(AuditEntry.action.startswith("jobs."), AuditEntry.action != "jobs.job.cancelled")
        .order_by(AuditEntry.id.desc())
        .limit(DEEDS_SHOWN)
    )
    names = caller().may("editor") and caller().sees_installation
    return [
        StoryStep(
            at=clock.iso(one.at),
            what="decided",
            text=one.action.rsplit(".", 1)[-1].capitalize() + " by hand",
            by=one.actor if names else None,
        )
        for one in session.scalars(query)
    ]
