"""The web application as a table of contents: one line, one room."""

from __future__ import annotations

from flask import Flask

from quadra.accounts import room as accounts
from quadra.analytics import room as analytics
from quadra.backup import backup_routes as backups
from quadra.backup import routes as backup
from quadra.backup.kept_metrics import KeptBackups
from quadra.core import access_log, http, machine_metrics, openapi_document, realtime, served
from quadra.core.runtime import Runtime
from quadra.core.scrape import Scrape
from quadra.dashboard import room as dashboard
from quadra.doors import DESCRIBED
from quadra.gauges import STORED
from quadra.health import metrics_routes, observing
from quadra.health import room as health
from quadra.health import routes as health_routes
from quadra.ingest import metrics as ingest_metrics
from quadra.ingest import room as ingest
from quadra.ingest import routes as ingest_routes
from quadra.insights import room as insights
from quadra.jobs import routes as jobs
from quadra.kinds import BATCH_KINDS
from quadra.warehouse import routes as warehouse

ON_LOOP = ingest_routes.PATHS | health_routes.ON_LOOP | {metrics_routes.PATH}


def create_app(runtime: Runtime) -> Flask:
    """A Flask app over `runtime`. The caller serves it and runs `quadra.on_start` and `quadra.on_stop`."""
    app = Flask("quadra", static_folder=None, template_folder="dashboard/templates")
    app.extensions["quadra"] = runtime
    app.extensions["quadra.on_start"] = []
    app.extensions["quadra.on_stop"] = []

    app.extensions["quadra.on_served"] = [access_log.listener(ingest_routes.PATHS)]
    served.set_up(app, app.extensions["quadra.on_served"])
    http.set_up(app)
    apart = dict.fromkeys(health_routes.APART, health.threads(runtime))
    app.wsgi_app = http.OffLoop(app.wsgi_app, runtime.threads, ON_LOOP.__contains__, apart)  # type: ignore[method-assign]
    intake = ingest.make_intake(app, runtime, BATCH_KINDS)
    socketio = realtime.make_socketio(app, runtime.settings, runtime.loop, runtime.bus)

    app.extensions["quadra.on_start"].append(runtime.bus.start)
    accounts.set_up(app, runtime, ON_LOOP.__contains__)
    ingest.set_up(app, runtime, socketio, intake)
    dashboard.set_up(app, runtime, socketio, intake.writer)
    app.register_blueprint(jobs.blueprint)
    insights.set_up(app, BATCH_KINDS)
    analytics.set_up(app)
    app.register_blueprint(warehouse.blueprint)
    app.register_blueprint(backup.blueprint)
    app.register_blueprint(backups.blueprint)
    health.set_up(app, runtime)
    observing.set_up(app, runtime, intake.writer, ingest_routes.PATHS)
    scrape = Scrape(runtime.loop, runtime.database, runtime.settings, STORED)
    scrape.live += (
        ingest_metrics.depth(intake.writer),
        realtime.connections(socketio),
        machine_metrics.machine(runtime),
        machine_metrics.bus(runtime),
        KeptBackups(runtime.settings),
    )
    metrics_routes.set_up(app, scrape)
    openapi_document.set_up(app, DESCRIBED)

    # last: what the rooms still have to say goes out before
    app.extensions["quadra.on_stop"].append(lambda: realtime.close_connections(socketio, runtime.loop))
    return app
