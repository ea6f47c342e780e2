"""The door of the export."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import caller, require_project
from quadra.analytics import export
from quadra.analytics.export_stream import MEDIA, Pieces
from quadra.analytics.questions.lens import PREFIXES
from quadra.core.api.given import given_of
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address

blueprint = Blueprint("export", __name__)


def show_export() -> ResponseReturnValue:
    project = require_project(request.args.get("project"), "viewer")
    asked = export.read(given_of(request.args.items(multi=True)), project)
    headers = {
        "Content-Disposition": f'attachment; filename="{asked.name(project)}"',
        "Content-Type": MEDIA[asked.format],
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    pieces = Pieces(runtime(), export.loaded(runtime(), asked))
    with runtime().database.begin() as session:
        audit.record(
            session,
            actor=caller().actor,
            action="analytics.events.exported",
            subject=asked.name(project),
            project_id=project.id,
            address=client_address(),
        )
    return Response(pieces, headers=headers, direct_passthrough=True)


for _number, _prefix in enumerate(PREFIXES, start=1):
    blueprint.add_url_rule(f"{_prefix}/export", f"export_{_number}", show_export, methods=["GET"])
