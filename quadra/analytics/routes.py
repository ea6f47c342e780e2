"""The HTTP doors of the lenses, each under both prefixes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts.access import require_project
from quadra.accounts.tables import Project
from quadra.analytics import lifecycle, retention, stickiness, trends
from quadra.analytics.given import Given, given_of
from quadra.core.runtime import Runtime, runtime

blueprint = Blueprint("analytics", __name__)

PREFIXES = ("/api/analytics", "/api/v2/analytics")

GETS: dict[str, tuple[Callable[[Given, Project], Any], Callable[[Runtime, Any], dict[str, Any]]]] = {
    "trends": (trends.read, trends.answer),
    "retention": (retention.read, retention.answer),
    "stickiness": (stickiness.read, stickiness.answer),
    "lifecycle": (lifecycle.read, lifecycle.answer),
}
"""path -> how a question that an address holds is read, and how it is answered. A new lens is a new line."""


def _door(path: str) -> None:
    read, answer = GETS[path]

    def show() -> ResponseReturnValue:
        project = require_project(request.args.get("project"), "viewer")
        return answer(runtime(), read(given_of(request.args.items(multi=True)), project))

    for number, prefix in enumerate(PREFIXES, start=1):
        blueprint.add_url_rule(f"{prefix}/{path}", f"{path}_{number}", show, methods=["GET"])


for _path in GETS:
    _door(_path)
