"""The health room in a web process: its doors, `/metrics`, and noting what this process does."""

from __future__ import annotations

from flask import Flask

from quadra.core.api.openapi import Answer, Door, Group, Param, SocketEvent
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads
from quadra.health import metrics_routes, routes
from quadra.health import web_observer as observing
from quadra.health.answers import HealthUpdate
from quadra.health.checks import CHECKS
from quadra.health.context import CheckContext
from quadra.health.readiness import Readiness
from quadra.health.routes import doors
from quadra.health.runner import Runner

BLUEPRINTS = (routes.doors.blueprint,)

GROUPS = (
    Group(
        title="Operations",
        says="For load balancers and supervisors, and for people who wonder how Quadra is; nobody needs to log in.",
        doors=(
            *doors.described,
            Door(
                method="GET",
                path="/metrics",
                title="Metrics for Prometheus",
                says="Open to this machine and to the networks of QUADRA_METRICS_ALLOW; others send "
                "a read key of the project `quadra` as Bearer. "
                "Answers while the database is away: its gauges are absent then, and database_up is 0.",
                params=(Param(name="name[]", shape=str, says="Only this series; may be repeated."),),
                answers={
                    200: Answer(
                        says="The text format of Prometheus.",
                        shape=str,
                        media="text/plain",
                        example="quadra_matrix_database_up 1.0",
                    )
                },
                refuses=(401, 403, 503),
            ),
        ),
        sockets=(
            SocketEvent(
                namespace="/live",
                name="health:update",
                to_server=False,
                says="A worker has looked at everything: once every QUADRA_HEALTH_INTERVAL.",
                payload=HealthUpdate,
            ),
        ),
    ),
)


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
