"""The web application as a table of contents: one line, one room."""

from __future__ import annotations

from functools import partial

from flask import Flask
from flask_socketio import SocketIO

from quadra.accounts import room as accounts
from quadra.alerts import room as alerts
from quadra.analytics import room as analytics
from quadra.assistants import room as assistants
from quadra.backup import room as backup
from quadra.core.api import openapi_document, unknown_names
from quadra.core.api.legacy_routes import AlsoSockets
from quadra.core.observing import machine_metrics
from quadra.core.observing.scrape import Scrape
from quadra.core.rooms import Room, open_rooms
from quadra.core.runtime import Runtime
from quadra.core.web import access_log, answer_headers, http, loop_lag, packed, realtime, serving
from quadra.dashboard import room as dashboard
from quadra.doors import DESCRIBED
from quadra.field import room as field
from quadra.gauges import STORED
from quadra.health import room as health
from quadra.ingest import own_paths
from quadra.ingest import room as ingest
from quadra.insights import room as insights
from quadra.job_kinds import BATCH_KINDS
from quadra.jobs import room as jobs
from quadra.rollout import room as rollout
from quadra.sinks import room as sinks
from quadra.warehouse import room as warehouse

ROOMS: tuple[Room, ...] = (
    accounts,
    ingest,
    dashboard,
    jobs,
    field,
    insights,
    analytics,
    warehouse,
    sinks,
    backup,
    health,
    alerts,
    assistants,
    rollout,
)
"""In the order in which they start and stop."""


def create_app(runtime: Runtime) -> Flask:
    """A Flask app over `runtime`. The caller serves it and calls what is in `runtime.on_start` and `runtime.on_stop`."""
    app = Flask("quadra", static_folder=None, template_folder="dashboard/templates")
    app.extensions["quadra"] = runtime
    runtime.serves = True
    runtime.batch_kinds = BATCH_KINDS
    runtime.keep(Scrape(runtime, STORED))

    runtime.on_served.append(access_log.listener(ingest.PATHS))
    serving.set_up(app, runtime.on_served)
    http.set_up(app)
    answer_headers.set_up(app)
    packed.set_up(app)
    # each in front of the one before: threads for what blocks, old addresses of sockets, the door that answers events, Socket.IO
    app.wsgi_app = http.OffLoop(app.wsgi_app, runtime)  # type: ignore[method-assign]
    app.wsgi_app = AlsoSockets(app.wsgi_app, runtime)  # type: ignore[method-assign]
    ingest.answer_events(app, runtime)
    realtime.set_up(app, runtime)

    open_rooms(app, runtime, *ROOMS)
    machine_metrics.set_up(runtime)
    runtime.on_start.append(partial(loop_lag.watch, runtime.loop))
    openapi_document.set_up(app, DESCRIBED)
    unknown_names.set_up(app, DESCRIBED)
    own_paths.check(app, runtime.settings)

    # last: what the rooms still have to say goes out before
    runtime.on_stop.append(partial(realtime.close_connections, runtime.kept(SocketIO), runtime.loop))
    return app
