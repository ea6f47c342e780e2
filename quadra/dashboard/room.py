"""Put the dashboard into a web process: pages and the live namespace."""

from __future__ import annotations

from flask import Flask
from flask_socketio import SocketIO

from quadra.analytics.views.share_routes import SHARE_PAGE
from quadra.core.http import ERROR_PAGE
from quadra.core.runtime import Runtime
from quadra.dashboard import pages, status_page
from quadra.dashboard.health_feed import HealthFeed
from quadra.dashboard.live import Live
from quadra.health.routes import STATUS_PAGE
from quadra.ingest.writer import Writer


def set_up(app: Flask, runtime: Runtime, socketio: SocketIO, writer: Writer) -> None:
    app.register_blueprint(pages.blueprint)
    app.extensions[ERROR_PAGE] = pages.error
    app.extensions[SHARE_PAGE] = pages.shared
    app.extensions[STATUS_PAGE] = status_page.show
    app.extensions["quadra.on_start"].append(Live(runtime, socketio, writer).start)
    app.extensions["quadra.on_start"].append(HealthFeed(runtime, socketio).start)
