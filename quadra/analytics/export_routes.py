"""The door of the export."""

from __future__ import annotations

from flask import Response, request

from quadra.accounts.access import require_project
from quadra.accounts.noting import note
from quadra.analytics import export
from quadra.analytics.export import Export
from quadra.analytics.export_stream import MEDIA, Pieces
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.questions.question import COMMON
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Answer, Param, Schema
from quadra.core.api.params import Params
from quadra.core.api.raw_params import RawParams
from quadra.core.web.http import runtime

doors = Doors("export", __name__)

FIRST, *OTHERS = MEDIA
FILE = Answer(
    says="The file.",
    shape={"type": "string"},
    media="text/csv",
    other_media=tuple(MEDIA[name] for name in OTHERS),
)


class Exports(Params[Export]):
    """What every question takes, which is read with the project, and what the file is to hold."""

    def __init__(self) -> None:
        self.struct, self.fields, self.names = Export, export.OWN.fields, export.NAMES

    def of(self, raw: RawParams) -> Export:
        return export.read(raw, require_project(raw.text("project"), "viewer"))

    def params(self) -> tuple[Param, ...]:
        common = (param for param in export.ASKS.params() if param.name not in ("interval", "week_start"))
        return (*super().params(), *common)

    def body(self) -> Schema:
        own, common = super().body(), COMMON.body()
        return {**own, "properties": own["properties"] | common["properties"]}


@doors(
    "GET",
    *(f"{prefix}/export" for prefix in PREFIXES),
    title="Export events",
    says="The events themselves, as of one moment, ordered by time (Parquet: in no order), as a file that is made while it is "
    "sent. `csv` is safe to open in a spreadsheet: a text that it could take for a formula has a `'` before it. `json` is one "
    "array, `ndjson` one object a line. An answer that breaks off is not the whole file. Noted in the audit log.",
    needs="viewer",
    asks=Exports(),
    answers=FILE,
    refuses=(404, 503),
)
def show_export(asked: Export) -> Response:
    project = asked.project
    headers = {
        "Content-Disposition": f'attachment; filename="{asked.name}"',
        "Content-Type": MEDIA[asked.format],
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    pieces = Pieces(runtime(), export.loaded(runtime(), asked))
    with runtime().database.begin() as session:
        note(session, "analytics.events.exported", subject=asked.name, project_id=project.id)
    return Response(pieces, headers=headers, direct_passthrough=True)
