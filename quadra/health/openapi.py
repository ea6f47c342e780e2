"""The doors for load balancers, supervisors, operators and customers, described."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from quadra.core.api.openapi import Answer, Door, Group, Param, SocketEvent
from quadra.field.standing import FieldModel

Verdict = Literal["healthy", "degraded", "unhealthy"]


class Alive(Struct):
    status: Literal["ok"]
    version: str


class Ready(Struct):
    status: Literal["ready", "unavailable"]
    checks: dict[str, Literal["pass", "fail"]]


class Started(Struct):
    status: Literal["started", "starting"]
    checks: dict[str, Literal["pass", "fail"]]


class CheckResult(Struct):
    status: Verdict
    message: str
    duration_ms: float
    details: dict[str, Any]


class System(Struct):
    cpu_percent: float
    memory_percent: float
    disk_percent: float


class Detailed(Struct):
    """`checks`, `system`, `model` and `uptime_seconds` are for who may see the installation; others learn the verdict."""

    overall_status: Verdict
    timestamp: str
    uptime_seconds: float | UnsetType = UNSET
    checks: dict[str, CheckResult] | UnsetType = UNSET
    system: System | UnsetType = UNSET
    model: FieldModel | UnsetType = UNSET


class SystemStatus(Struct):
    status: Verdict
    uptime_seconds: float
    version: str


class Part(Struct):
    name: str
    title: str
    status: Verdict


class Deployment(Struct):
    current: str
    status: str
    recovery_attempts: int
    total: int
    successful: int
    failed: int
    last_health_check: str | None


class Said(Struct):
    status: Verdict
    message: str


class RecentCheck(Struct):
    timestamp: str
    status: Verdict
    checks: dict[str, Said] | UnsetType = UNSET


class RecentChecks(Struct):
    recent_checks: list[RecentCheck]


class Analytics(Struct):
    pending_deliveries: int | None
    sinks: list[Any]


class Status(Struct):
    """`analytics` and the single checks are for who may see the installation."""

    system: SystemStatus
    parts: list[Part]
    deployment: Deployment
    health: RecentChecks
    analytics: Analytics | None


class HealthUpdate(Struct, rename="camel"):
    overall_status: Verdict
    timestamp: str
    parts: dict[str, Verdict]
    checks: dict[str, Said]


EXAMPLE = {
    "overall_status": "healthy",
    "timestamp": "2026-11-24T14:00:00.000Z",
    "uptime_seconds": 86_400.0,
    "checks": {
        "database": {
            "status": "healthy",
            "message": "It answers: 0.4 ms.",
            "duration_ms": 0.6,
            "details": {"latency_ms": 0.4, "kind": "postgresql"},
        }
    },
    "system": {"cpu_percent": 12.5, "memory_percent": 41.0, "disk_percent": 37.2},
    "model": {"initialized": False, "iterations": 0, "version": None, "artifact_ok": None},
}

GROUPS = (
    Group(
        title="Operations",
        says="For load balancers and supervisors, and for people who wonder how Quadra is; nobody needs to log in.",
        doors=(
            Door(
                method="GET",
                path="/health",
                title="Does this process live?",
                says="Asks nothing else, so a database that is away does not get the process killed.",
                answers={200: Answer(says="It does.", shape=Alive, example={"status": "ok", "version": "0.1.0"})},
            ),
            Door(
                method="GET",
                path="/health/ready",
                title="Can it do its work now?",
                says="The database answers, and has proven within some seconds that it takes events.",
                answers={
                    200: Answer(
                        says="It can.", shape=Ready, example={"status": "ready", "checks": {"database": "pass"}}
                    ),
                    503: Answer(
                        says="It cannot: send requests elsewhere.",
                        shape=Ready,
                        example={"status": "unavailable", "checks": {"database": "fail"}},
                    ),
                },
            ),
            Door(
                method="GET",
                path="/health/startup",
                title="Has it started?",
                says="The database has the tables of this version, and the first start was done.",
                answers={
                    200: Answer(
                        says="It has: ask for readiness from now on.",
                        shape=Started,
                        example={"status": "started", "checks": {"migrations": "pass", "first_start": "pass"}},
                    ),
                    503: Answer(
                        says="Not yet.",
                        shape=Started,
                        example={"status": "starting", "checks": {"migrations": "fail", "first_start": "fail"}},
                    ),
                },
            ),
            Door(
                method="GET",
                path="/health/detailed",
                title="How is everything?",
                says=(
                    "Runs every check (docs/health.md lists them), at most every three seconds. Who may not see "
                    "the installation, such as a key of one project, learns `overall_status` and nothing else."
                ),
                answers={
                    200: Answer(says="Healthy, or degraded.", shape=Detailed, example=EXAMPLE),
                    503: Answer(
                        says="At least one check is unhealthy.",
                        shape=Detailed,
                        example={"overall_status": "unhealthy", "timestamp": "2026-11-24T14:00:00.000Z"},
                    ),
                },
            ),
            Door(
                method="GET",
                path="/status",
                title="How is Quadra?",
                says="In the words of customers; a browser gets a page. 200 also when it is not well.",
                answers={200: Answer(says="The status, and the newest checks that were kept.", shape=Status)},
            ),
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
