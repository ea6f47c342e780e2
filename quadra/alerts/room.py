"""The alerts room in a web process: its routes. Evaluating and sending are the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.alerts import alert_routes, channel_routes
from quadra.alerts.reports import report_routes, unsubscribe_routes
from quadra.core.runtime import Runtime

BLUEPRINTS = (
    channel_routes.doors.blueprint,
    alert_routes.doors.blueprint,
    report_routes.doors.blueprint,
    unsubscribe_routes.doors.blueprint,
)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its doors."""
