"""The HTTP doors of the queue: lists for viewers, requeue and discard for editors."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from quadra.accounts.access import caller, require, require_installation, require_project
from quadra.accounts.noting import note
from quadra.accounts.tables import Project
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says
from quadra.core.errors import NotFound
from quadra.core.paging import Paged
from quadra.core.web.http import runtime
from quadra.jobs import dead_letters, questions
from quadra.jobs.answers import DeadLetterPage, JobId, JobPage, TheJob, dead_letter_shown, job_shown
from quadra.jobs.questions import Wanted
from quadra.jobs.states import JOB_STATES, JobState
from quadra.jobs.tables import Job

doors = Doors("jobs", __name__)

JOB_ID = {"job_id": Param(name="job_id", shape=JobId, example="019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11")}


class WhichDead(Paged, kw_only=True):
    project: Annotated[str | None, says("Left out: all that you may see.")] = None
    kind: Annotated[str | None, says("Only jobs of this kind.")] = None
    batch_id: Annotated[str | None, says("Only jobs of this batch.")] = None
    search: Annotated[
        str,
        says(
            "Only those whose arguments or errors hold this, of the newest 20,000 that fit the rest. "
            "Not for a key of one project."
        ),
        Meta(max_length=200),
    ] = ""


class Which(WhichDead, kw_only=True):
    status: Annotated[JobState | None, says(" ".join(f"{state}: {text}." for state, text in JOB_STATES.items()))] = None


@doors(
    "GET",
    "/api/admin/jobs",
    title="List jobs",
    needs="viewer",
    asks=Params(Which),
    answers=JobPage,
    answer_says="Newest first.",
    refuses=(404,),
)
def show_jobs(asked: Which) -> JobPage:
    by = require("viewer")
    with runtime().database.read() as session:
        page = questions.list_jobs(session, _wanted(asked, asked.status), asked)
        jobs = [job_shown(row, whole=by.sees_installation) for row in page.jobs]
        return JobPage(jobs=jobs, total=page.total, count=len(jobs), cursor=page.cursor)


@doors(
    "GET",
    "/api/admin/dead-letter-queue",
    title="List dead letters",
    says="Jobs that failed as often as they may: nothing happens to them until a person decides.",
    needs="viewer",
    asks=Params(WhichDead),
    answers=DeadLetterPage,
    answer_says="The last to die first.",
    refuses=(404,),
)
def show_dead_letters(asked: WhichDead) -> DeadLetterPage:
    by = require("viewer")
    with runtime().database.read() as session:
        page = questions.list_dead_letters(session, _wanted(asked), asked)
        dead = [dead_letter_shown(row, whole=by.sees_installation) for row in page.jobs]
        return DeadLetterPage(dead_letters=dead, total=page.total, count=len(dead), cursor=page.cursor)


@doors(
    "POST",
    "/api/admin/dead-letter-queue/{job_id}/requeue",
    title="Run a dead letter again",
    says="409 where it is none any more, or one like it is unfinished.",
    needs="editor",
    named=JOB_ID,
    answers=TheJob,
    answer_says="It waits for a worker.",
    status=202,
    refuses=(404, 409),
)
def requeue_dead_letter(job_id: str) -> TheJob:
    require_editor_of(job_id)
    with runtime().database.begin() as session:
        job = dead_letters.requeue(session, job_id)
        _record(session, "jobs.dead_letter.requeued", job)
        return TheJob(job=job_shown(job, whole=caller().sees_installation))


@doors(
    "POST",
    "/api/admin/dead-letter-queue/{job_id}/discard",
    title="Discard a dead letter",
    says="It will never be done. 409 where it is no dead letter any more.",
    needs="editor",
    named=JOB_ID,
    answers=TheJob,
    answer_says="It is discarded.",
    refuses=(404, 409),
)
def discard_dead_letter(job_id: str) -> TheJob:
    require_editor_of(job_id)
    with runtime().database.begin() as session:
        job = dead_letters.discard(session, job_id)
        _record(session, "jobs.dead_letter.discarded", job)
        return TheJob(job=job_shown(job, whole=caller().sees_installation))


def require_viewer_of(job_id: str) -> None:
    """Whoever may see the job's project; of a job of none, the installation."""
    _require_of(job_id, "viewer")


def require_editor_of(job_id: str) -> None:
    """An editor of the installation, or the admin key of the job's project. Strangers are not told which jobs there are."""
    _require_of(job_id, "editor")


def _require_of(job_id: str, role: str) -> None:
    by = caller()
    with runtime().database.read() as session:
        job = session.get(Job, job_id) if by.most else None
        project = session.get(Project, job.project_id) if job is not None and job.project_id is not None else None
    if project is None:
        if role == "viewer":
            require_installation()
        else:
            require(role)
        return
    if not by.sees(project.id):
        raise NotFound(f"There is no job {job_id}.")
    require_project(project.slug, role)


def _record(session: Any, action: str, job: Job) -> None:
    note(
        session, action, subject=job.id, project_id=job.project_id, details={"kind": job.kind, "batch_id": job.batch_id}
    )


def _wanted(asked: WhichDead, status: str | None = None) -> Wanted:
    by = caller()
    projects = frozenset({require_project(asked.project, "viewer").id}) if asked.project else by.projects
    if asked.search:  # it looks into what such a key is not shown
        require_installation()
    return Wanted(status, asked.kind, asked.batch_id, projects, asked.search)
