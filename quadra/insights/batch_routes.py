"""The HTTP doors to batches: lists for viewers; seal, analyse and flush for editors."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Annotated

from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require, require_project, require_role
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY
from quadra.accounts.projects import list_projects
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Conflict, NotFound, Unavailable
from quadra.core.paging import Paged
from quadra.core.runtime import Runtime
from quadra.core.web.http import runtime
from quadra.ingest import batches
from quadra.ingest.tables import Batch, BatchState
from quadra.insights import answers, questions
from quadra.insights.handlers import ANALYSE, ANALYSTS, HANDLERS
from quadra.jobs.answers import job_shown
from quadra.jobs.queue import MANUAL, enqueue, find_unfinished

doors = Doors("batches", __name__)

FLUSH_SECONDS, FLUSH_SECONDS_MOST = 10, 30
LOOK_SECONDS = 0.1
FLUSHES_AT_ONCE = 3
"""A flush holds a request's thread while it waits; the others are for everybody else."""

BATCH_ID = {"batch_id": Param(name="batch_id", shape=str, example="019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42")}

_flushes = threading.BoundedSemaphore(FLUSHES_AT_ONCE)


class Which(Paged, kw_only=True):
    status: BatchState | None = None
    project: Annotated[str | None, says("Left out: all that you may see.")] = None


class Flush(Struct, kw_only=True):
    timeout: Annotated[int, within(0, FLUSH_SECONDS_MOST, "Seconds to wait at the most.")] = FLUSH_SECONDS
    project: Annotated[str | None, OF_KEY] = None


@doors(
    "GET",
    "/api/admin/batches",
    title="List batches",
    needs="viewer",
    asks=Params(Which),
    answers=answers.BatchPage,
    answer_says="Newest first, each with its analysis job.",
    refuses=(404,),
)
def show_batches(asked: Which) -> answers.BatchPage:
    projects = visible_projects(asked.project)
    with runtime().database.read() as session:
        page = questions.list_batches(session, asked, projects=projects, status=asked.status)
        jobs = questions.analysis_jobs(session, [batch.id for batch in page.rows], kind=ANALYSE)
        slugs = slugs_of(session)
        rows = [answers.batch_shown(batch, slugs.get(batch.project_id), jobs.get(batch.id)) for batch in page.rows]
        return answers.BatchPage(batches=rows, total=page.total, count=len(rows), cursor=page.cursor)


@doors(
    "GET",
    "/api/admin/batches/{batch_id}",
    title="One batch, with its insights",
    needs="viewer",
    named=BATCH_ID,
    answers=answers.BatchWithInsights,
    answer_says="The batch.",
    refuses=(404,),
)
def show_batch(batch_id: str) -> answers.BatchWithInsights:
    batch, project = _find(batch_id, "viewer")
    with runtime().database.read() as session:
        jobs = questions.analysis_jobs(session, [batch.id], kind=ANALYSE)
        page = questions.list_insights(session, Paged(limit=10), projects=None, batch_id=batch.id, analyst=None)
        insights = [answers.insight_shown(insight, project.slug) for insight in page.rows]
        return answers.batch_with_insights(batch, project.slug, jobs.get(batch.id), insights)


@doors(
    "POST",
    "/api/admin/batches/{batch_id}/seal",
    title="Seal a batch now",
    says="409 where it is not open, or has no events.",
    needs="editor",
    named=BATCH_ID,
    answers=answers.Sealed,
    answer_says="It never changes again; its job waits.",
    status=202,
    refuses=(404, 409),
)
def seal_batch(batch_id: str) -> answers.Sealed:
    batch, project = _find(batch_id, "editor")
    with runtime().database.begin() as session:
        batches.seal(
            session, batch.id, job_kinds=runtime().batch_kinds, max_attempts=runtime().settings.job_max_attempts
        )
        job = find_unfinished(session, kinds=[ANALYSE], batch_id=batch.id)
        _record(session, "ingest.batch.sealed", batch.id, project)
        shown = None if job is None else job_shown(job, whole=caller().sees_installation)
        return answers.Sealed(batch_id=batch.id, status="SEALED", job=shown)


@doors(
    "POST",
    "/api/admin/batches/{batch_id}/analyze",
    title="Analyse a batch",
    says="Once more, if need be. 409 where it is not sealed, or a job of any analyst is unfinished.",
    needs="editor",
    named=BATCH_ID,
    answers=answers.Asked,
    answer_says="The job waits for a worker.",
    status=202,
    refuses=(404, 409),
)
def analyze_batch(batch_id: str) -> answers.Asked:
    batch, project = _find(batch_id, "editor")
    if batch.status not in ("SEALED", "ANALYZED"):
        raise Conflict(f"Batch {batch.id} is {batch.status}; only a SEALED or ANALYZED one can be analysed.")
    with runtime().database.begin() as session:
        # an analyst's job that appears after this look comes out of a local analysis, and that one's key `enqueue` refuses
        if busy := find_unfinished(session, kinds=ANALYSTS, batch_id=batch.id):
            raise Conflict(f"Batch {batch.id} is being analysed: its job {busy.kind} ({busy.id}) is {busy.state}.")
        job = enqueue(
            session,
            kind=ANALYSE,
            max_attempts=runtime().settings.job_max_attempts,
            project_id=project.id,
            batch_id=batch.id,
            priority=HANDLERS[ANALYSE].priority,
            trigger=MANUAL,
        )
        _record(session, "insights.analysis.requested", batch.id, project)
        return answers.Asked(batch_id=batch.id, job=job_shown(job, whole=caller().sees_installation))


@doors(
    "POST",
    "/api/analytics/flush",
    title="Seal all and wait",
    says="Seals the open batches of a project and waits until no batch of it has a job to be done.",
    needs="editor",
    asks=Params(Flush),
    in_address=True,
    answers=answers.Flushed,
    answer_says="What was sealed, and what is left.",
    refuses=(404,),
)
def flush(asked: Flush) -> answers.Flushed:
    project = require_project(asked.project, "editor")
    if not _flushes.acquire(blocking=False):
        raise Unavailable("Other flushes are waiting already; try again.", retry_after_seconds=5)
    try:
        return _flush(runtime(), project, asked.timeout)
    finally:
        _flushes.release()


def _flush(here: Runtime, project: Project, seconds: int) -> answers.Flushed:
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
    for enqueue_soon in here.on_flush:
        enqueue_soon()
    while True:
        with here.database.read() as session:
            left = questions.unfinished_jobs(session, project_id=project.id)
        remaining = seconds - (time.monotonic() - began)
        # a job that will not be tried before the time is up is not worth waiting for
        soon = [job for job in left if job[2] == "RUNNING" or (job[1] - clock.now()).total_seconds() < remaining]
        if not soon or remaining <= 0:
            break
        time.sleep(min(LOOK_SECONDS, remaining))
    return answers.Flushed(
        sealed=sealed,
        done=not left,
        left=answers.StillToDo(jobs=len(left), by_kind=dict(Counter(kind for kind, _at, _state in left))),
        waited_seconds=round(time.monotonic() - began, 3),
    )


def visible_projects(slug: str | None) -> set[int] | None:
    """The projects that a list is about: the one that is named, or all that the caller may see; None is all there are."""
    by = require("viewer")
    if slug:
        return {require_project(slug, "viewer").id}
    return None if by.projects is None else set(by.projects)


def slugs_of(session: Session) -> dict[int, str]:
    return {project.id: project.slug for project in list_projects(session)}


def _find(batch_id: str, role: str) -> tuple[Batch, Project]:
    """A batch and its project, where the caller has the role. Strangers are not told which batches there are."""
    by = caller()
    with runtime().database.read() as session:
        batch = session.get(Batch, batch_id) if by.most else None
        project = session.get(Project, batch.project_id) if batch is not None else None
    if batch is None or project is None or not by.sees(project.id):
        require_role(role)  # says why, to whoever may not do this at all
        raise NotFound(f"There is no batch {batch_id}.")
    return batch, require_project(project.slug, role)


def _record(session: Session, action: str, batch_id: str, project: Project) -> None:
    note(session, action, subject=batch_id, project_id=project.id)
