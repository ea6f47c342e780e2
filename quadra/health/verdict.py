"""What a check says, and what several say together. Clients read these words (`healthy`, `degraded`, `unhealthy`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quadra.core import clock
from quadra.health.scene import Scene

HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"
WORSE = (HEALTHY, DEGRADED, UNHEALTHY)
"""From good to bad."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found."""

    status: str
    message: str
    """For an operator: what is so, and where it is not well what to do."""
    details: dict[str, Any] = field(default_factory=dict)


def healthy(message: str, **details: Any) -> Found:
    return Found(HEALTHY, message, details)


def degraded(message: str, **details: Any) -> Found:
    return Found(DEGRADED, message, details)


def unhealthy(message: str, **details: Any) -> Found:
    return Found(UNHEALTHY, message, details)


def graded(value: float, warn: float, fail: float) -> str:
    """The verdict of a number that is better when it is small."""
    if value >= fail:
        return UNHEALTHY
    return DEGRADED if value >= warn else HEALTHY


def worst(statuses: Iterable[str]) -> str:
    return max(statuses, key=WORSE.index, default=HEALTHY)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at. To add one: a function in a file of `checks/` and a line in its list."""

    name: str
    part: str
    """What a customer knows it as: a key of `PARTS`."""
    look: Callable[[Scene], Found | None]
    """Blocks. None where there is nothing to check: the dependency is not configured, or not in this process."""
    seconds: float = 5.0
    """After which it counts as failed."""
    keep_seconds: float = 0.0
    """How long an answer serves: for dependencies that should not be asked at every turn."""
    worst: str = UNHEALTHY
    """The most it can say: what Quadra can do without is never worse than degraded."""


PARTS = {
    "ingest": "Receiving and storing events",
    "live": "Live view across replicas",
    "analysis": "Analysis and history",
    "ai": "Insights by AI",
    "deliveries": "Deliveries to other systems",
    "backups": "Backups and replicas",
    "machine": "The machine",
}
"""The parts of Quadra as a customer sees them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and what it found, and how long it took."""

    name: str
    part: str
    found: Found
    duration_ms: float

    def as_dict(self) -> dict[str, Any]:
        found = self.found
        return {
            "status": found.status,
            "message": found.message,
            "duration_ms": self.duration_ms,
            "details": found.details,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks as of one moment."""

    at: datetime
    checks: tuple[Checked, ...]

    @property
    def status(self) -> str:
        return worst(one.found.status for one in self.checks)

    @property
    def parts(self) -> dict[str, str]:
        """part -> verdict, for the parts that have a check here."""
        return {
            part: worst(one.found.status for one in self.checks if one.part == part)
            for part in PARTS
            if any(one.part == part for one in self.checks)
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "overall_status": self.status,
            "timestamp": clock.iso(self.at),
            "checks": {one.name: one.as_dict() for one in self.checks},
        }
