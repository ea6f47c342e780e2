"""What can be wrong, as data: kinds of failed deployments, faults of what runs, and what is done about each, least harm first."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Action = Literal["restart", "scale_up", "clear_cache", "rollback"]

KINDS: dict[str, str] = {
    "build": "The release cannot be run: its program is missing, fails or does not say what it must.",
    "deployment": "A backup, a migration or the start of a process failed, or the watcher was lost.",
    "health": "It runs and is not ready, or answers with 5xx.",
    "performance": "It answers too slowly, by itself or against the release before.",
    "resources": "Disk or memory is short, or it takes more memory than allowed.",
    "network": "The balancer does not take or pass on what it should.",
}
"""Failure kind of a deployment -> what it means."""


class Fault(Struct, frozen=True):
    kind: str
    """Of KINDS."""
    says: str
    ladder: tuple[Action, ...]
    """What is tried first, second, …: the next one only where the fault comes back."""


FAULTS: dict[str, Fault] = {
    "ended": Fault("deployment", "The process ended.", ("restart", "restart", "restart", "rollback", "restart")),
    "hangs": Fault("health", "It does not answer `/health`.", ("restart", "restart", "rollback", "restart", "restart")),
    "errors": Fault("health", "It answers with 5xx.", ("restart", "scale_up", "clear_cache", "rollback")),
    "slow": Fault("performance", "It answers slowly.", ("restart", "scale_up", "clear_cache", "rollback")),
    "memory": Fault("resources", "It takes too much memory.", ("restart", "restart", "rollback", "restart", "restart")),
}

SAMPLE = 20
"""Requests that the watcher itself sends to each replica at each look: it can judge while nobody else asks."""
ENOUGH = 50
"""Requests of others between two looks, from which on their errors are judged too. Fewer are inconclusive."""
MOST_ERRORS = 0.05
SLOWER = 3.0
"""Times the p95 of the release before, from which on a release is slow …"""
SLOWER_FROM_MS = 500.0
"""… where it is more than this: below, a busy machine makes as much of a difference."""


def too_slow(p95_ms: float, limit_ms: float, before_ms: float | None) -> str:
    """Why such a p95 is too slow; empty where it is not."""
    if p95_ms > limit_ms:
        return f"p95 is {p95_ms / 1000:.2f} s, more than {limit_ms / 1000:g} s"
    if before_ms is not None and p95_ms > SLOWER_FROM_MS and p95_ms > SLOWER * before_ms:
        return f"p95 is {p95_ms:.0f} ms, more than {SLOWER:g} times the {before_ms:.0f} ms of the release before"
    return ""


class Traffic(Struct):
    traffic: str
    """well, errors or inconclusive"""
    traffic_requests: int | UnsetType = UNSET
    traffic_errors: int | UnsetType = UNSET


def judge_traffic(before: tuple[int, int] | None, now: tuple[int, int] | None) -> Traffic:
    """What the counters (requests, those with 5xx) of a replica say of the time between two looks."""
    if before is None or now is None or now[0] < before[0]:
        return Traffic("inconclusive")
    requests, errors = now[0] - before[0], now[1] - before[1]
    if requests < ENOUGH:
        return Traffic("inconclusive", requests)
    verdict = "errors" if errors > MOST_ERRORS * requests else "well"
    return Traffic(verdict, requests, errors)
