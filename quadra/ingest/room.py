"""Put the ingest room into a web process: writer, HTTP routes, Socket.IO lane."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from flask import Flask
from flask_socketio import SocketIO

from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.ingest import lane, posthog_routes, routes, segment_routes, tracker
from quadra.ingest.events_door import EventsDoor
from quadra.ingest.intake import Intake
from quadra.ingest.log import Appended, Log
from quadra.ingest.sockets import Sockets
from quadra.ingest.writer import Bounds, Writer
from quadra.jobs import wake

FLUSH_SECONDS = 10


def make_log(runtime: Runtime, job_kinds: Mapping[str, int] | None = None) -> Log:
    """The log with a writer identity of its own: no two processes, and no two starts, share an open batch.

    Sealed batches get a job of each kind (kind -> priority); a worker adds what a process without the list left out.
    """
    settings = runtime.settings
    return Log(
        runtime.database,
        writer=f"{socket.gethostname()[:50]}:{os.getpid()}:{uuid7()[-12:]}",
        batch_max_events=settings.batch_max_events,
        job_kinds=job_kinds,
        max_attempts=settings.job_max_attempts,
    )


def make_writer(runtime: Runtime, job_kinds: Mapping[str, int] | None = None) -> Writer:
    settings = runtime.settings
    bounds = Bounds(
        queue_events=settings.writer_queue_events,
        queue_bytes=settings.writer_queue_bytes,
        flush_events=settings.writer_flush_events,
        linger_seconds=settings.writer_linger.total_seconds(),
        flush_seconds=settings.ingest_timeout.total_seconds(),
    )
    writer = Writer(make_log(runtime, job_kinds), runtime.loop, bounds)
    wake.reach_others(runtime.database, runtime.bus)
    writer.on_stored.append(_wake_workers)
    return writer


def _wake_workers(appended: Appended) -> None:
    if appended.sealed:
        wake.ring()


def make_intake(app: Flask, runtime: Runtime, job_kinds: Mapping[str, int] | None = None) -> Intake:
    """The writer and the keys, and the door in front of Flask. Before Socket.IO is put in front of all."""
    intake = Intake(runtime, make_writer(runtime, job_kinds))
    app.extensions["quadra.intake"] = intake
    app.wsgi_app = EventsDoor(app.wsgi_app, intake)  # type: ignore[method-assign]
    return intake


def set_up(app: Flask, runtime: Runtime, socketio: SocketIO, intake: Intake) -> None:
    """Wire the room into `app`. The writer starts and stops with the process."""
    lane.quicken_eventlet()
    for door in (routes, segment_routes, posthog_routes, tracker):
        app.register_blueprint(door.blueprint)
    Sockets(socketio, intake, runtime.loop)
    app.extensions["quadra.on_start"].append(intake.writer.start)
    app.extensions["quadra.on_start"].append(intake.quota.start)
    app.extensions["quadra.on_stop"].append(lambda: intake.writer.stop(FLUSH_SECONDS))
