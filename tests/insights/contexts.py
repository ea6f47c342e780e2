"""Batches made by hand: lines of events, the digests of earlier batches, a context of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from quadra.insights.digest import Digest
from quadra.insights.finding import Finding
from quadra.insights.history import BatchContext, HourPast
from quadra.insights.local import analyse
from quadra.insights.seen import Line, add_up

START_US = 1_780_000_000_000_000


def line(**fields: Any) -> Line:
    at = fields.pop("at", START_US)
    values: dict[str, Any] = {
        "kind": "event",
        "event_type": "click",
        "name": "click",
        "user_id": None,
        "session_id": None,
        "occurred_at": at,
        "received_at": at,
        "page_url": None,
        "browser": None,
        "duration_ms": None,
        "value": None,
        "success": None,
        "bot": False,
        "fields": None,
        **fields,
    }
    return Line(**values)


def request(endpoint: str = "/checkout", *, status: int = 200, ms: float = 100.0, **fields: Any) -> Line:
    kept = {"endpoint": endpoint, "method": "GET", "status_code": status}
    return line(kind="request", name="request", duration_ms=ms, success=status < 400, fields=kept, **fields)


def batch(lines: Iterable[Line], seconds: float | None = 60.0) -> tuple[Digest, Any]:
    seen = add_up(lines)
    return seen.digest(events=seen.read, window_seconds=seconds), seen


def context(
    lines: Iterable[Line],
    before: Sequence[Iterable[Line]] = (),
    *,
    seconds: float | None = 60.0,
    seconds_before: Sequence[float | None] | float | None = 60.0,
    hours: Sequence[HourPast] = (),
) -> BatchContext:
    now, seen = batch(lines, seconds)
    each = seconds_before if isinstance(seconds_before, Sequence) else [seconds_before] * len(before)
    return BatchContext(
        seen=seen, now=now, before=[batch(old, s)[0] for old, s in zip(before, each, strict=True)], hours=hours
    )


def findings(*args: Any, **options: Any) -> dict[str, Finding]:
    """kind -> the first finding of that kind"""
    found: dict[str, Finding] = {}
    for finding in analyse(context(*args, **options)).findings:
        found.setdefault(finding.kind, finding)
    return found
