"""Quadra itself is not well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look
from quadra.core import clock
from quadra.core.api.params import says
from quadra.health import history
from quadra.health.tables import HealthReport

ORDER = ("healthy", "degraded", "unhealthy")
OLD = timedelta(minutes=15)
MESSAGE_MOST = 2_000


class When(Struct, kw_only=True):
    at_least: Annotated[Literal["degraded", "unhealthy"], says("From which verdict on.")] = "unhealthy"
    check: Annotated[str | None, says("Only this check; left out: the verdict over all.", "disk")] = None


def look(at: Look, _project: Project, when: When) -> Sequence[Found]:
    report: HealthReport | None = at.once("health", lambda: _latest(at))
    if report is None or at.at - report.at > OLD:
        return []
    verdict, what = str(report.status), "Quadra"
    if when.check is not None:
        one: Any = report.checks.get(when.check, {})
        verdict, what = one.get("status", "healthy"), f"The check {when.check}"
    if verdict not in ORDER or ORDER.index(verdict) < ORDER.index(when.at_least):
        return []
    bad = {
        name: one["message"]
        for name, one in report.checks.items()
        if one["status"] in ORDER[1:] and when.check in (None, name)
    }
    said = "; ".join(f"{name}: {message}" for name, message in bad.items())
    words = f"{what} is {verdict}. {said}"[:MESSAGE_MOST]
    return [Found(message=words, figures={"at": clock.iso(report.at)}, page="status")]


def _latest(at: Look) -> HealthReport | None:
    with at.runtime.database.read() as session:
        return next(iter(history.latest(session, 1)), None)


KIND = Kind(name="health", says="Quadra, or one of its checks, is not well.", When=When, look=look, installation=True)
