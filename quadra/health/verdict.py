"""What a check says, and what several say together. Clients read these words (`healthy`, `degraded`, `unhealthy`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, get_args

from quadra.health.context import CheckContext
from quadra.health.tables import Verdict

WORSE: tuple[Verdict, ...] = get_args(Verdict)
"""From good to bad."""
HEALTHY: Verdict = "healthy"
DEGRADED: Verdict = "degraded"
UNHEALTHY: Verdict = "unhealthy"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found."""

    status: Verdict
    message: str
    """For an operator: what is so, and where it is not well what to do."""
    details: dict[str, Any] = field(default_factory=dict)


def healthy(message: str, **details: Any) -> Found:
    return Found(HEALTHY, message, details)


def degraded(message: str, **details: Any) -> Found:
    return Found(DEGRADED, message, details)


def unhealthy(message: str, **details: Any) -> Found:
    return Found(UNHEALTHY, message, details)


def graded(value: float, warn: float, fail: float) -> Verdict:
    """The verdict of a number that is better when it is small."""
    if value >= fail:
        return UNHEALTHY
    return DEGRADED if value >= warn else HEALTHY


def worst(statuses: Iterable[Verdict]) -> Verdict:
    return max(statuses, key=WORSE.index, default=HEALTHY)


@dataclass(frozen=True)
class Check:
    """One thing that is looked at. `check` makes one."""

    name: str
    part: str
    """What a customer knows it as: a key of `PARTS`."""
    run: Callable[[CheckContext], Found | None]
    """Blocks. None where there is nothing to check: the dependency is not configured, or not in this process."""
    seconds: float = 5.0
    """After which it counts as failed."""
    keep_seconds: float = 0.0
    """How long an answer serves: for dependencies that should not be asked at every tick."""
    worst: Verdict = UNHEALTHY
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


checks: list[Check] = []
"""Filled by `check` while the files of `checks/` are imported."""

Checking = TypeVar("Checking", bound=Callable[[CheckContext], Found | None])


def check(
    part: str, *, seconds: float = Check.seconds, keep_seconds: float = Check.keep_seconds, worst: Verdict = Check.worst
) -> Callable[[Checking], Checking]:
    """Have the function below looked at as a check of its name."""

    def take(run: Checking) -> Checking:
        checks.append(Check(run.__name__, part, run, seconds=seconds, keep_seconds=keep_seconds, worst=worst))
        return run

    return take


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and what it found, and how long it took."""

    name: str
    part: str
    found: Found
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """All checks as of one moment."""

    at: datetime
    checks: tuple[Checked, ...]

    @property
    def status(self) -> Verdict:
        return worst(one.found.status for one in self.checks)

    @property
    def parts(self) -> dict[str, Verdict]:
        """part -> verdict, for the parts that have a check here."""
        return {
            part: worst(one.found.status for one in self.checks if one.part == part)
            for part in PARTS
            if any(one.part == part for one in self.checks)
        }
