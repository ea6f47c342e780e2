"""The HTTP doors of the queue: lists for viewers, requeue and discard for editors."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import Caller, caller, require, require_project
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound
from quadra.core.http import runtime
from quadra.core.limits import client_address
from quadra.jobs import dead_letters, questions
from quadra.jobs.questions import Page, Wanted
from quadra.jobs.states import JOB_STATES
from quadra.jobs.tables import Job

blueprint = Blueprint("jobs", __name__)

PATH = re.compile(r"(?<![\w:/.])/(?:[^\s/:'\"]+/)+[^\s/:'\",]*")
LIMIT, LIMIT_MOST, PAGE_MOST = 50, 1_000, 1_000_000


@blueprint.get("/api/admin/jobs")
def show_jobs() -> ResponseReturnValue:
    """`?project&status&kind&batch_id&limit&cursor&page`"""
    by = require("viewer")
    with runtime().database.read() as session:
        page = questions.list_jobs(session, _wanted(by), **_paging())
        return {"jobs": [job_body(job, whole=by.sees_installation) for job in page.jobs], **_around(page)}


@blueprint.get("/api/admin/dead-letter-queue")
def show_dead_letters() -> ResponseReturnValue:
    """`?project&kind&batch_id&limit&cursor&page`"""
    by = require("viewer")
    with runtime().database.read() as session:
        page = questions.list_dead_letters(session, _wanted(by), **_paging())
        return {
            "dead_letters": [dead_letter_body(job, whole=by.sees_installation) for job in page.jobs],
            **_around(page),
        }


@blueprint.post("/api/admin/dead-letter-queue/<job_id>/requeue")
def requeue_dead_letter(job_id: str) -> ResponseReturnValue:
    """Run it again. 409 where it is no dead letter any more, or one like it is unfinished."""
    _require_editor(job_id)
    with runtime().database.begin() as session:
        job = dead_letters.requeue(session, job_id)
        _record(session, "jobs.dead_letter.requeued", job)
        return {"job": job_body(job, whole=caller().sees_installation)}, 202


@blueprint.post("/api/admin/dead-letter-queue/<job_id>/discard")
def discard_dead_letter(job_id: str) -> ResponseReturnValue:
    """Never do it. 409 where it is no dead letter any more."""
    _require_editor(job_id)
    with runtime().database.begin() as session:
        job = dead_letters.discard(session, job_id)
        _record(session, "jobs.dead_letter.discarded", job)
        return {"job": job_body(job, whole=caller().sees_installation)}


def job_body(job: Job, *, whole: bool) -> dict[str, Any]:
    """As the API shows it. `whole` is for those who may see the installation: others learn no path of its machines."""
    took = (job.finished_at - job.started_at) if job.state == "SUCCESS" and job.finished_at and job.started_at else None
    return {
        "job_id": job.id,
        "kind": job.kind,
        "batch_id": job.batch_id,
        "status": job.state,
        "attempt_count": job.attempt,
        "max_attempts": job.max_attempts,
        "trigger_type": job.trigger,
        "priority": job.priority,
        "worker": job.leased_by,
        "lock_expires_at": _iso(job.lease_expires_at),
        "last_error": job.last_error if whole else without_paths(job.last_error),
        "error_context": job.error_context if whole else [_without_trace(entry) for entry in job.error_context],
        "analysis_time_ms": None if took is None else round(took.total_seconds() * 1000, 3),
        "available_at": _iso(job.available_at),
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "finished_at": _iso(job.finished_at),
        "updated_at": _iso(job.updated_at),
    }


def dead_letter_body(job: Job, *, whole: bool) -> dict[str, Any]:
    told = job_body(job, whole=whole)
    return told | {"dlq_id": job.id, "failed_at": _iso(job.finished_at), "history": told["error_context"]}


def _without_trace(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"traceback": "", "message": without_paths(entry.get("message", ""))}


def without_paths(text: Any) -> Any:
    """For readers who may not see the installation."""
    return PATH.sub("…", text) if isinstance(text, str) else text


def _require_editor(job_id: str) -> None:
    """An editor of the installation, or the admin key of the job's project. Strangers are not told which jobs there are."""
    by = caller()
    with runtime().database.read() as session:
        job = session.get(Job, job_id) if by.may("viewer") else None
        project = session.get(Project, job.project_id) if job is not None and job.project_id is not None else None
    if project is None:
        require("editor")
        return
    if not by.sees(project.id):
        raise NotFound(f"There is no job {job_id}.")
    require_project(project.slug, "editor")


def _record(session: Any, action: str, job: Job) -> None:
    audit.record(
        session,
        actor=caller().actor,
        action=action,
        subject=job.id,
        project_id=job.project_id,
        address=client_address(),
        details={"kind": job.kind, "batch_id": job.batch_id},
    )


def _wanted(by: Caller) -> Wanted:
    given = request.args
    status = given.get("status") or None
    if status is not None and status not in JOB_STATES:
        raise Invalid("There is no such status.", fields={"status": "one of " + ", ".join(JOB_STATES)})
    slug = given.get("project")
    projects = frozenset({require_project(slug, "viewer").id}) if slug else by.projects
    return Wanted(status, given.get("kind") or None, given.get("batch_id") or None, projects)


def _paging() -> dict[str, Any]:
    return {
        "limit": _number("limit", LIMIT, LIMIT_MOST),
        "cursor": request.args.get("cursor") or None,
        "page": _number("page", 1, PAGE_MOST),
    }


def _number(name: str, default: int, most: int) -> int:
    given = request.args.get(name, "") or str(default)
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= most):
        raise Invalid(f"{name} is out of range.", fields={name: f"a number from 1 to {most}"})
    return int(given)


def _around(page: Page) -> dict[str, Any]:
    return {"total": page.total, "count": len(page.jobs), "cursor": page.cursor}


def _iso(at: Any) -> str | None:
    return None if at is None else clock.iso(at)
