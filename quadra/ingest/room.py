"""The ingest room in a web process: the writer, the door in front of Flask, HTTP routes, the Socket.IO lane."""

from __future__ import annotations

from functools import partial

from flask import Flask, Response, request
from flask_socketio import SocketIO

from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime
from quadra.core.web.http import request_id
from quadra.ingest import metrics, own_paths, tracker
from quadra.ingest.doors import lane, routes
from quadra.ingest.doors.events import EventsDoor
from quadra.ingest.doors.intake import Intake
from quadra.ingest.doors.sockets import Sockets
from quadra.ingest.log import Appended, make_log
from quadra.ingest.sdks import posthog_routes, segment_routes, tracker_routes
from quadra.ingest.writer import Bounds, Writer
from quadra.jobs import wake

BLUEPRINTS = (
    routes.blueprint,
    segment_routes.blueprint,
    posthog_routes.blueprint,
    tracker_routes.blueprint,
    tracker.blueprint,
)
PATHS = routes.PATHS
FLUSH_SECONDS = 10


def set_up(app: Flask, runtime: Runtime) -> None:
    """The writer starts and stops with the process."""
    lane.quicken_eventlet()
    own_paths.set_up(app, runtime.settings)
    intake = runtime.kept(Intake)
    Sockets(runtime.kept(SocketIO), intake, runtime.loop)

    @app.after_request
    def note_refusal(response: Response) -> Response:
        if response.status_code >= 400 and request.path in PATHS:
            told = response.get_json(silent=True)
            told = told.get("error") if isinstance(told, dict) else None
            told = told if isinstance(told, dict) else {}
            intake.refusal_log.note(
                request.environ,
                request_id(),
                path=request.path,
                status=response.status_code,
                code=told.get("code"),
                reason=str(told.get("message", ""))[:300],
            )
        return response

    runtime.kept(Scrape).live.append(metrics.depth(intake.writer))
    runtime.on_start += (intake.writer.start, intake.senders.quota.start, intake.counts.start)
    runtime.on_stop += (partial(intake.writer.stop, FLUSH_SECONDS), intake.counts.stop)


def answer_events(app: Flask, runtime: Runtime) -> None:
    """Put the door that answers events in front of Flask. Before Socket.IO is put in front of all."""
    intake = Intake(runtime, make_writer(runtime))
    runtime.keep(intake)
    own = {path for path in (runtime.settings.tracker_events_path,) if path}
    runtime.on_loop |= PATHS | own
    app.wsgi_app = EventsDoor(app.wsgi_app, intake, own)  # type: ignore[method-assign]


def make_writer(runtime: Runtime) -> Writer:
    settings = runtime.settings
    bounds = Bounds(
        queue_events=settings.writer_queue_events,
        queue_bytes=settings.writer_queue_bytes,
        flush_events=settings.writer_flush_events,
        linger_seconds=settings.writer_linger.total_seconds(),
        flush_seconds=settings.ingest_timeout.total_seconds(),
    )
    writer = Writer(make_log(runtime), runtime.loop, bounds)
    wake.reach_others(runtime.database, runtime.bus)

    def wake_workers(appended: Appended) -> None:
        if appended.sealed:
            wake.wake_here(runtime.database)

    writer.on_stored.append(wake_workers)
    return writer
