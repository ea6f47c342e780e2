"""The lenses in a web process: their questions, the views that people keep of them, and the links to those."""

from __future__ import annotations

from flask import Flask

from quadra.analytics import ask_routes, business_routes, export_job_routes, export_routes, resolving_routes, routes
from quadra.analytics.kept import annotation_routes, goal_routes, imported_routes, segment_routes
from quadra.analytics.views import saved_view_routes, share_routes
from quadra.core.runtime import Runtime

BLUEPRINTS = (
    routes.blueprint,
    ask_routes.doors.blueprint,
    export_routes.doors.blueprint,
    export_job_routes.doors.blueprint,
    saved_view_routes.doors.blueprint,
    share_routes.doors.blueprint,
    resolving_routes.doors.blueprint,
    business_routes.doors.blueprint,
    goal_routes.doors.blueprint,
    segment_routes.doors.blueprint,
    annotation_routes.doors.blueprint,
    imported_routes.doors.blueprint,
)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but their doors."""
