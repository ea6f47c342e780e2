"""`/status` for people: the parts of Quadra in plain words for everybody, the single checks for those who are logged in.

Made on the server, so that it shows without scripts too, and while much else does not work.
"""

from __future__ import annotations

from typing import Any

from flask import render_template
from sqlalchemy.exc import SQLAlchemyError

from quadra.accounts.access import caller
from quadra.core.errors import QuadraError
from quadra.core.web.http import runtime
from quadra.dashboard.pages import page
from quadra.health import history
from quadra.health.answers import Status
from quadra.health.routes import runner
from quadra.health.verdict import DEGRADED, HEALTHY, UNHEALTHY, worst

OVERALL = {HEALTHY: "All systems operational", DEGRADED: "Degraded", UNHEALTHY: "Unhealthy"}
SAID = {HEALTHY: "operational", DEGRADED: "degraded", UNHEALTHY: "unhealthy"}
LIGHTS = {HEALTHY: "good", DEGRADED: "warn", UNHEALTHY: "bad"}
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def show(told: Status, whole: bool) -> Any:
    hours = _hours()
    known = [counts for counts in hours if counts["status"]]
    context: dict[str, Any] = {
        "told": told,
        "overall": OVERALL[told.system.status],
        "said": SAID,
        "lights": LIGHTS,
        "uptime": spelled(told.system.uptime_seconds),
        "hours": hours,
        "share": _share(),
        "known_hours": len(known),
        "checks": runner().report().checks if whole else (),
    }
    if whole and caller().user is not None:
        return page("status.html", "health.show_status", **context)
    return render_template("status_public.html", **context)


def _hours() -> list[dict[str, Any]]:
    """The last 24 hours: the worst that was found in each; none where nobody looked."""
    try:
        with runtime().database.read() as session:
            hours = history.by_hour(session)
    except (QuadraError, SQLAlchemyError):
        return []
    return [
        {"at": at, "status": worst(counts) if counts else "", "looks": sum(counts.values())} for at, counts in hours
    ]


def _share() -> float | None:
    try:
        with runtime().database.read() as session:
            return history.share_well(history.by_hour(session))
    except (QuadraError, SQLAlchemyError):
        return None


def spelled(seconds: float) -> str:
    """`3 days`, `2 hours`, `5 minutes`, `less than a minute`."""
    for size, name in UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"
