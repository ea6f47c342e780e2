"""The doors of exports that a worker makes: asked for, looked at, downloaded, cancelled or deleted.

Viewers of a project export by any door. A file is deleted by whoever asked for it, and by editors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from flask import Response, request, send_file
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require_project
from quadra.accounts.answers import Done
from quadra.accounts.noting import note
from quadra.accounts.project_rows import ProjectRows
from quadra.accounts.tables import Project
from quadra.analytics import export_files
from quadra.analytics.export import Export, Format
from quadra.analytics.export_files import EXPORT
from quadra.analytics.export_routes import FILE, Exports
from quadra.analytics.export_stream import MEDIA
from quadra.analytics.questions.question import END, START
from quadra.analytics.tables import ExportedFile
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import says
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Conflict, NotFound
from quadra.core.ids import uuid7
from quadra.core.web.http import runtime
from quadra.jobs.queue import MANUAL, enqueue
from quadra.jobs.states import FAILED, PENDING, RUNNING
from quadra.jobs.tables import Job

doors = Doors("exports", __name__)

ExportState = Literal["waiting", "running", "failed", "done", "stopped", "erased"]
WORDS: dict[str, ExportState] = {PENDING: "waiting", RUNNING: "running", FAILED: "failed"}
FIXED = ("project", "days", *START, *END)
"""What is kept as the project of the row and as two moments: `days` means other days tomorrow."""


class KeptExport(Struct, kw_only=True):
    id: str
    project: str
    name: Annotated[str, says("Of the file.", "quadra-shop-2026-01-01-2026-01-31.csv")]
    format: Format
    asked: Annotated[dict[str, Any], says("The parameters that it was asked with, the range as two moments.")]
    state: Annotated[
        ExportState,
        says(
            "`done` can be downloaded. `failed` says why in `error`. `stopped` was discarded by a person. `erased`: a person was "
            "erased from the project after the file was asked for, and the file is gone; ask again."
        ),
    ]
    bytes: Annotated[int, says("Written so far.")]
    progress: Annotated[float | None, says("The part of its days that is written, 0 to 1; null where it is not known.")]
    error: Annotated[str | None, says("Why the last attempt failed, or waits.")]
    created_at: Time
    created_by: str
    done_at: Time | None
    kept_until: Annotated[Time, says("Then the file is removed; earlier, where the project asks for more than 20.")]


class KeptExports(Struct, kw_only=True):
    exports: list[KeptExport]
    cursor: str | None


class Wanted(Struct):
    export: Export
    asked: dict[str, Any]


class WantedExports(Exports):
    def of(self, raw: RawParams) -> Any:
        export = super().of(raw)
        question = export.question
        moments = {"from": question.start_us, "to": question.end_us}
        asked = {name: values for name, values in raw.values().items() if name not in FIXED}
        return Wanted(export, asked | {name: [clock.iso(clock.from_us(us))] for name, us in moments.items()})


def _shown(session: Session, rows: Sequence[ExportedFile], project: Project) -> list[KeptExport]:
    query = sa.select(Job).where(Job.id.in_([row.job_id for row in rows]), Job.state.in_(WORDS))
    jobs = {job.id: job for job in session.scalars(query)}
    return [_one(row, jobs.get(row.job_id), project) for row in rows]


def _one(row: ExportedFile, job: Job | None, project: Project) -> KeptExport:
    state: ExportState = "stopped" if job is None else WORDS[job.state]
    if row.done_at is not None:
        state = "done" if row.erased_at is None else "erased"
    return KeptExport(
        id=row.id,
        project=project.slug,
        name=row.name,
        format=row.format,  # type: ignore[arg-type]  # one of these was written
        asked=row.asked,
        state=state,
        bytes=row.bytes,
        progress=row.progress,
        error=None if job is None or row.done_at is not None else job.last_error,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
        done_at=None if row.done_at is None else clock.iso(row.done_at),
        kept_until=clock.iso(export_files.kept_until(runtime().settings, row)),
    )


ROWS = ProjectRows(
    doors,
    ExportedFile,
    "/api/exports",
    "export",
    answers=KeptExport,
    shown=_shown,
    action="analytics.export",
    most=export_files.FILES_MOST,
)
ROWS.pages(KeptExports)


@doors(
    "POST",
    "/api/exports",
    title="Have a file of events made",
    says="What *Export events* gives, made by a worker and kept for `QUADRA_EXPORT_KEEP_DAYS`: for files that are too large to "
    "wait for. 409 while three of the project are not done. The oldest goes where there are 20. Audited.",
    needs="viewer",
    asks=WantedExports(),
    answers=KeptExport,
    answer_says="A worker makes it.",
    status=202,
    refuses=(404, 409),
)
def ask_for_export(asked: Wanted) -> KeptExport:
    export, settings = asked.export, runtime().settings
    project, export_id = export.project, uuid7()
    with runtime().database.begin() as session:
        gone = export_files.make_room(session, settings, project.id)
        job = enqueue(
            session,
            kind=EXPORT,
            args={"export_id": export_id},
            project_id=project.id,
            unique_as=f"{EXPORT}:{export_id}",
            priority=export_files.PRIORITY,
            trigger=MANUAL,
            max_attempts=settings.job_max_attempts,
        )
        row = ExportedFile(
            id=export_id,
            project_id=project.id,
            name=export.name,
            format=export.format,
            asked=asked.asked,
            job_id=job.id,
            created_by=caller().actor[:300],
        )
        session.add(row)
        session.flush()
        _note(session, "asked", row)
        shown = _one(row, job, project)
    export_files.remove(settings, gone)
    return shown


@doors(
    "GET",
    "/api/exports/{export_id}/file",
    title="Download an exported file",
    says="A part of it by `Range`. 409 until it is done, and after it was erased. Audited.",
    needs="viewer",
    named=ROWS.named,
    answers=FILE,
    refuses=(404, 409),
)
def download_export(export_id: str) -> Response:
    settings = runtime().settings
    with runtime().database.begin() as session:
        row, _project = ROWS.get(session, export_id, "viewer")
        if row.file is None or row.done_at is None:
            raise Conflict("The file is not made yet.")
        if row.erased_at is not None:
            raise Conflict("A person was erased from the project after this file was made. Ask for it again.")
        path = export_files.directory(settings) / row.file
        if not path.is_file():
            raise NotFound("The file is not in DATA_DIR of this process. Is DATA_DIR shared? Else ask for it again.")
        if request.method != "HEAD":
            _note(session, "downloaded", row)
    answer = send_file(path.absolute(), as_attachment=True, download_name=row.name)
    answer.headers.update(
        {"Content-Type": MEDIA[row.format], "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    )
    return answer


@doors(
    "DELETE",
    "/api/exports/{export_id}",
    title="Cancel or delete an export",
    says="For whoever asked for it, and for editors. A worker that makes it stops. Audited.",
    needs="viewer",
    named=ROWS.named,
    answers=Done,
    answer_says="It is gone.",
    refuses=(404, 409),
)
def delete_export(export_id: str) -> Done:
    with runtime().database.begin() as session:
        row, project = ROWS.get(session, export_id, "viewer")
        if row.created_by != caller().actor[:300]:
            require_project(project.slug, "editor")
        _note(session, "deleted", row)
        gone = export_files.delete(session, row)
    export_files.remove(runtime().settings, gone)
    return Done(success=True)


def _note(session: Session, verb: str, row: ExportedFile) -> None:
    details = {"name": row.name}
    note(session, f"analytics.export.{verb}", subject=row.id, project_id=row.project_id, details=details)
