"""The HTTP doors to batches: lists for viewers; seal, analyse and flush for editors."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.accounts.access import caller, require, require_project
from quadra.accounts.projects import list_projects
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Conflict, NotFound, Unavailable
from quadra.core.http import runtime
from quadra.core.limits import client_address
from quadra.core.runtime import Runtime
from quadra.ingest import batches
from quadra.ingest.tables import BATCH_STATES, Batch
from quadra.insights import questions
from quadra.insights.bodies import around, batch_body, insight_body, number, one_of, paging
from quadra.insights.handlers import ANALYSE, ANALYSTS, HANDLERS
from quadra.jobs.queue import MANUAL, enqueue, find_unfinished
from quadra.jobs.routes import job_body

blueprint = Blueprint("batches", __name__)

FLUSH_SECONDS, FLUSH_SECONDS_MOST = 10, 30
LOOK_SECONDS = 0.1
FLUSHES_AT_ONCE = 3
"""A flush holds a request's thread while it waits; the others are for everybody else."""

_flushes = threading.BoundedSemaphore(FLUSHES_AT_ONCE)


@blueprint.get("/api/admin/batches")
def show_batches() -> ResponseReturnValue:
    """`?status&project&limit&cursor&page`, newest first, each with its analysis job."""
    projects = visible_projects()
    with runtime().database.read() as session:
        page = questions.list_batches(
            session, paging(), projects=projects, status=one_of("status", tuple(BATCH_STATES))
        )
        jobs = questions.analysis_jobs(session, [batch.id for batch in page.rows], kind=ANALYSE)
        slugs = slugs_of(session)
        rows = [batch_body(batch, slugs.get(batch.project_id), jobs.get(batch.id)) for batch in page.rows]
        return {"batches": rows, **around(page)}


@blueprint.get("/api/admin/batches/<batch_id>")
def show_batch(batch_id: str) -> ResponseReturnValue:
    """A batch with its jobs and insights."""
    found, project = _find(batch_id, "viewer")
    with runtime().database.read() as session:
        jobs = questions.analysis_jobs(session, [found.id], kind=ANALYSE)
        page = questions.list_insights(session, questions.Paging(10), projects=None, batch_id=found.id, analyst=None)
        insights = [insight_body(insight, project.slug) for insight in page.rows]
        return {**batch_body(found, project.slug, jobs.get(found.id)), "insights": insights}


@blueprint.post("/api/admin/batches/<batch_id>/seal")
def seal_batch(batch_id: str) -> ResponseReturnValue:
    """Seal an open batch now. 202 with its analysis job; 409 where it is not open or has no events."""
    found, project = _find(batch_id, "editor")
    with runtime().database.begin() as session:
        batches.seal(
            session, found.id, job_kinds=runtime().batch_kinds, max_attempts=runtime().settings.job_max_attempts
        )
        job = find_unfinished(session, kinds=[ANALYSE], batch_id=found.id)
        _record(session, "ingest.batch.sealed", found.id, project)
        return {
            "batch_id": found.id,
            "status": "SEALED",
            "job": job_body(job, whole=caller().sees_installation) if job else None,
        }, 202


@blueprint.post("/api/admin/batches/<batch_id>/analyze")
def analyze_batch(batch_id: str) -> ResponseReturnValue:
    """Analyse a sealed batch, once more if need be. 202 with the job; 409 while a job of any analyst is unfinished."""
    found, project = _find(batch_id, "editor")
    if found.status not in ("SEALED", "ANALYZED"):
        raise Conflict(f"Batch {found.id} is {found.status}; only a SEALED or ANALYZED one can be analysed.")
    with runtime().database.begin() as session:
        # an analyst's job that appears after this look comes out of a local analysis, and that one's key `enqueue` refuses
        if busy := find_unfinished(session, kinds=ANALYSTS, batch_id=found.id):
            raise Conflict(f"Batch {found.id} is being analysed: its job {busy.kind} ({busy.id}) is {busy.state}.")
        job = enqueue(
            session,
            kind=ANALYSE,
            max_attempts=runtime().settings.job_max_attempts,
            project_id=project.id,
            batch_id=found.id,
            priority=HANDLERS[ANALYSE].priority,
            trigger=MANUAL,
        )
        _record(session, "insights.analysis.requested", found.id, project)
        return {"batch_id": found.id, "job": job_body(job, whole=caller().sees_installation)}, 202


@blueprint.post("/api/analytics/flush")
def flush() -> ResponseReturnValue:
    """Seal the open batches of a project and wait (`?timeout=` seconds) until no batch of it waits for a job."""
    project = require_project(request.args.get("project"), "editor")
    seconds = number("timeout", FLUSH_SECONDS, FLUSH_SECONDS_MOST, least=0)
    if not _flushes.acquire(blocking=False):
        raise Unavailable("Other flushes are waiting already; try again.", retry_after_seconds=5)
    try:
        return _flush(runtime(), project, seconds)
    finally:
        _flushes.release()


def _flush(here: Runtime, project: Project, seconds: int) -> dict[str, Any]:
    began = time.monotonic()
    sealed = []
    with here.database.read() as session:
        open_ids = questions.open_batches(session, project_id=project.id)
    for batch_id in open_ids:  # each in a transaction of its own: writers are adding to them
        try:
            with here.database.begin() as session:
                batches.seal(session, batch_id, job_kinds=here.batch_kinds, max_attempts=here.settings.job_max_attempts)
                _record(session, "ingest.batch.sealed", batch_id, project)
        except (Conflict, NotFound):  # its writer was quicker, or it was empty
            continue
        sealed.append(batch_id)
    while True:
        with here.database.read() as session:
            left = questions.unfinished_jobs(session, project_id=project.id)
        remaining = seconds - (time.monotonic() - began)
        # a job that will not be tried before the time is up is not worth waiting for
        soon = [job for job in left if job[2] == "RUNNING" or (job[1] - clock.now()).total_seconds() < remaining]
        if not soon or remaining <= 0:
            break
        time.sleep(min(LOOK_SECONDS, remaining))
    return {
        "sealed": sealed,
        "done": not left,
        "left": {"jobs": len(left), "by_kind": dict(Counter(kind for kind, _at, _state in left))},
        "waited_seconds": round(time.monotonic() - began, 3),
    }


def visible_projects() -> set[int] | None:
    """The projects that a list is about: `?project=`, or all that the caller may see; None is all there are."""
    by = require("viewer")
    if slug := request.args.get("project"):
        return {require_project(slug, "viewer").id}
    return None if by.projects is None else set(by.projects)


def slugs_of(session: Session) -> dict[int, str]:
    return {project.id: project.slug for project in list_projects(session)}


def _find(batch_id: str, role: str) -> tuple[Batch, Project]:
    """A batch and its project, where the caller has the role. Strangers are not told which batches there are."""
    by = caller()
    with runtime().database.read() as session:
        batch = session.get(Batch, batch_id) if by.may("viewer") else None
        project = session.get(Project, batch.project_id) if batch is not None else None
    if batch is None or project is None or not by.sees(project.id):
        require_project(None, role)  # says why, to whoever may not do this at all
        raise NotFound(f"There is no batch {batch_id}.")
    return batch, require_project(project.slug, role)


def _record(session: Session, action: str, batch_id: str, project: Project) -> None:
    audit.record(
        session,
        actor=caller().actor,
        action=action,
        subject=batch_id,
        project_id=project.id,
        address=client_address(),
    )
