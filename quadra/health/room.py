"""The health room in a web process: its doors, `/metrics`, and noting what this process does."""

from __future__ import annotations

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads
from quadra.health import metrics_routes, routes
from quadra.health import web_observer as observing
from quadra.health.checks import CHECKS
from quadra.health.context import CheckContext
from quadra.health.readiness import Readiness
from quadra.health.runner import Runner

BLUEPRINTS = (routes.doors.blueprint,)


def set_up(app: Flask, runtime: Runtime) -> None:
    context = CheckContext(runtime, "web")
    runtime.keep(Runner(context, CHECKS))
    runtime.keep(Readiness(runtime.database))
    runtime.on_loop |= routes.ON_LOOP | {metrics_routes.PATH}
    # a request that hangs in the database must not keep these from answering
    runtime.apart |= dict.fromkeys(routes.APART, Threads(runtime.loop, 4, "health"))
    runtime.on_start.append(context.machine.start)
    runtime.on_stop.append(context.machine.stop)
    observing.set_up(runtime)
    metrics_routes.set_up(app, runtime)
