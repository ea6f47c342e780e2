"""What the doors of health answer, and how it is made of a report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.typed import Typed
from quadra.field.standing import FieldModel
from quadra.health.context import System
from quadra.health.tables import HealthReport, Verdict
from quadra.health.verdict import Report
from quadra.sinks.answers import ShownSink

Probe = Literal["pass", "fail"]
Count = Annotated[int, Meta(examples=[0])]
FOR_READERS = "For those who may see the installation."


class Alive(Struct, kw_only=True):
    status: Literal["ok"]
    version: Annotated[str, Meta(examples=["0.1.0"])]


class Ready(Struct, kw_only=True):
    status: Literal["ready", "unavailable"]
    checks: dict[str, Probe]


class Started(Struct, kw_only=True):
    status: Literal["started", "starting"]
    checks: dict[str, Probe]


class CheckResult(Struct, kw_only=True):
    status: Verdict
    message: str
    duration_ms: float
    details: dict[str, Any]


class Detailed(Struct, kw_only=True):
    """Others than those who may see the installation learn the verdict and when it was found."""

    overall_status: Verdict
    timestamp: Time
    uptime_seconds: Annotated[float | UnsetType, Meta(description=FOR_READERS)] = UNSET
    checks: Annotated[dict[str, CheckResult] | UnsetType, Meta(description=FOR_READERS)] = UNSET
    system: Annotated[System | UnsetType, Meta(description=FOR_READERS)] = UNSET
    model: Annotated[FieldModel | UnsetType, Meta(description=FOR_READERS)] = UNSET


class SystemStatus(Struct, kw_only=True):
    status: Annotated[Verdict, Meta(examples=["healthy"])]
    uptime_seconds: float
    version: Annotated[str, Meta(examples=["0.1.0"])]


class Part(Struct, kw_only=True):
    name: Annotated[str, Meta(examples=["ingest"])]
    title: Annotated[str, Meta(examples=["Receiving and storing events"])]
    status: Annotated[Verdict, Meta(examples=["healthy"])]


class Deployment(Struct, kw_only=True):
    current: Annotated[str, Meta(examples=["0.1.0"])]
    status: Annotated[str, Meta(examples=["not_managed"])]
    recovery_attempts: Count
    total: Count
    successful: Count
    failed: Count
    last_health_check: Time | None


class Said(Struct, kw_only=True):
    """What a check said, as it is kept."""

    status: Annotated[Verdict, Meta(examples=["healthy"])]
    message: Annotated[str, Meta(examples=["It answers: 0.4 ms."])]


class RecentCheck(Struct, kw_only=True):
    timestamp: Time
    status: Annotated[Verdict, Meta(examples=["healthy"])]
    checks: Annotated[dict[str, Said] | UnsetType, Meta(description=FOR_READERS)] = UNSET


class RecentChecks(Struct, kw_only=True):
    recent_checks: Annotated[list[RecentCheck], Meta(description="The newest first.")]


class Analytics(Struct, kw_only=True):
    pending_deliveries: Annotated[
        Count | None, Meta(description="Batches that sinks wait for. Null while the database does not say.")
    ]
    sinks: list[ShownSink]


class Status(Struct, kw_only=True):
    system: SystemStatus
    parts: list[Part]
    deployment: Deployment
    health: RecentChecks
    analytics: Annotated[Analytics | None, Meta(description=FOR_READERS)]


class HealthUpdate(Struct, rename="camel", kw_only=True):
    """The message `health:update`: Socket.IO speaks camelCase."""

    overall_status: Verdict
    timestamp: Time
    parts: dict[str, Verdict]
    checks: dict[str, Said]


KEPT = Typed(dict[str, Said])
PARTS = Typed(dict[str, Verdict])


def detailed(report: Report, **more: Any) -> Detailed:
    """All of a report; `more` are the fields that are not of it."""
    checks = {
        one.name: CheckResult(
            status=one.found.status,
            message=one.found.message,
            duration_ms=one.duration_ms,
            details=one.found.details,
        )
        for one in report.checks
    }
    return Detailed(overall_status=report.status, timestamp=clock.iso(report.at), checks=checks, **more)


def verdict(report: Report) -> Detailed:
    """What a stranger sees of it."""
    return Detailed(overall_status=report.status, timestamp=clock.iso(report.at))


def recent(row: HealthReport, *, whole: bool) -> RecentCheck:
    checks = KEPT.convert(row.checks) if whole else UNSET
    return RecentCheck(timestamp=clock.iso(row.at), status=row.status, checks=checks)


def update(row: HealthReport) -> HealthUpdate:
    return HealthUpdate(
        overall_status=row.status,
        timestamp=clock.iso(row.at),
        parts=PARTS.convert(row.parts),
        checks=KEPT.convert(row.checks),
    )
