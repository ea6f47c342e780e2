"""Time as Quadra keeps it: aware UTC in Python, integer microseconds since 1970 in tables and on the hot path."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    return datetime.now(UTC)


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware time; exact, no float on the way."""
    return (at - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with a `Z`, milliseconds unless the time is finer."""
    at = at.astimezone(UTC)
    spec = "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
    return at.isoformat(timespec=spec).replace("+00:00", "Z")
