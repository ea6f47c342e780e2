"""The HTTP doors of the lenses, each under both prefixes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts.access import require_project
from quadra.accounts.tables import Project
from quadra.analytics.funnels import body as funnel_body
from quadra.analytics.funnels import funnel
from quadra.analytics.lenses import (
    ai,
    errors,
    event_types,
    events,
    features,
    journeys,
    lifecycle,
    metrics,
    overview,
    paths,
    performance,
    realtime,
    recorded_funnels,
    retention,
    satisfaction,
    sessions,
    stickiness,
    trends,
    users,
)
from quadra.analytics.timing import query_duration_seconds
from quadra.core.errors import Invalid
from quadra.core.given import Given, given_of
from quadra.core.http import json_body, runtime
from quadra.core.runtime import Runtime

blueprint = Blueprint("analytics", __name__)

PREFIXES = ("/api/analytics", "/api/v2/analytics")
FUNNELS = "funnels/query"
"""The one question that a body holds."""

GETS: dict[str, tuple[Callable[[Given, Project], Any], Callable[[Runtime, Any], dict[str, Any]]]] = {
    "trends": (trends.read, trends.answer),
    "retention": (retention.read, retention.answer),
    "stickiness": (stickiness.read, stickiness.answer),
    "lifecycle": (lifecycle.read, lifecycle.answer),
    "paths": (paths.read, paths.answer),
    "sessions": (sessions.read, sessions.answer),
    "dashboard": (overview.read, overview.answer),
    "users": (users.read, users.answer),
    "ai": (ai.read, ai.answer),
    "performance": (performance.read, performance.answer),
    "errors": (errors.read, errors.answer),
    "realtime/stats": (realtime.read, realtime.answer),
    "metrics": (metrics.read, metrics.answer),
    "user/events": (events.read, events.answer),
    "user/events/analytics": (event_types.read, event_types.answer),
    "user/features/stats": (features.read, features.answer),
    "user/funnels": (recorded_funnels.read, recorded_funnels.answer),
    "user/journeys/analytics": (journeys.read, journeys.answer),
    "user/satisfaction/metrics": (satisfaction.read, satisfaction.answer),
}
"""path -> how a question that an address holds is read, and how it is answered. A new lens is a new line."""
NAMED = {"user/funnels/<path:funnel_name>/analytics": (recorded_funnels.read, recorded_funnels.answer_one)}
"""The same with a parameter in the path."""


def _door(path: str, read: Callable[[Given, Project], Any], answer: Callable[[Runtime, Any], dict[str, Any]]) -> None:
    def show(**named: str) -> ResponseReturnValue:
        project = require_project(request.args.get("project"), "viewer")
        pairs = [pair for pair in request.args.items(multi=True) if pair[0] not in named]
        question = read(given_of([*pairs, *named.items()]), project)
        with query_duration_seconds.labels(path).time():
            return answer(runtime(), question)

    for number, prefix in enumerate(PREFIXES, start=1):
        blueprint.add_url_rule(f"{prefix}/{path}", f"{path}_{number}", show, methods=["GET"])


def show_funnel() -> ResponseReturnValue:
    """A question that is too long for an address; what is common to all may stand in either."""
    body = json_body()
    project = require_project(_slug(body), "viewer")
    given = Given.of_body({**request.args.to_dict(), **body})
    question = funnel_body.read(given, project)
    with query_duration_seconds.labels(FUNNELS).time():
        return funnel.answer(runtime(), question)


def _slug(body: dict[str, Any]) -> str | None:
    slug = body.get("project") or request.args.get("project")
    if slug is not None and not isinstance(slug, str):
        raise Invalid("A field has the wrong type.", fields={"project": "the slug of a project"})
    return slug


for _prefix in PREFIXES:
    blueprint.add_url_rule(f"{_prefix}/{FUNNELS}", f"funnel_{PREFIXES.index(_prefix)}", show_funnel, methods=["POST"])
for _path, (_read, _answer) in {**GETS, **NAMED}.items():
    _door(_path, _read, _answer)
