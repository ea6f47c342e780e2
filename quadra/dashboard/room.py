"""The dashboard in a web process: pages and the live namespace."""

from __future__ import annotations

from flask import Flask
from flask_socketio import SocketIO

from quadra.analytics.views.share_routes import SHARE_PAGE
from quadra.core.runtime import Runtime
from quadra.core.web.http import ERROR_PAGE
from quadra.dashboard import pages, status_page
from quadra.dashboard.deployment_feed import DeploymentFeed
from quadra.dashboard.health_feed import HealthFeed
from quadra.dashboard.live import Live
from quadra.health.routes import STATUS_PAGE
from quadra.ingest.doors.intake import Intake

BLUEPRINTS = (pages.blueprint,)


def set_up(app: Flask, runtime: Runtime) -> None:
    """Rooms below answer with JSON; where a browser asks, they hand their answer to these pages."""
    app.extensions[ERROR_PAGE] = pages.error
    app.extensions[SHARE_PAGE] = pages.shared
    app.extensions[STATUS_PAGE] = status_page.show
    socketio = runtime.kept(SocketIO)
    live = Live(runtime, socketio, runtime.kept(Intake).writer)
    runtime.on_start += (live.start, HealthFeed(runtime, socketio).start, DeploymentFeed(runtime, socketio).start)
