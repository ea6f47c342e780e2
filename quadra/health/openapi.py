"""The doors for load balancers, supervisors, operators and customers, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Answer, Door, Group, Param, SocketEvent
from quadra.health.answers import HealthUpdate
from quadra.health.routes import doors

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
