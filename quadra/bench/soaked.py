"""What the senders of a soak say, and whether all that was acknowledged to them is stored."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from quadra.core.database import Database

AT_ONCE = 50_000
"""Rows read at once."""
PREFIX = len("soak-")


class Span(msgspec.Struct, omit_defaults=True):
    """A second, a minute or a phase of sending, in events; latencies in milliseconds from when a message was due."""

    span: str = ""
    name: str = ""
    """of the phase"""
    at: int = 0
    seconds: float = 0
    sent: int = 0
    acknowledged: int = 0
    told: int = 0
    """refused, with `Retry-After` or the code that means it"""
    untold: int = 0
    failed: int = 0
    held_back: int = 0
    """due while too many were unanswered, so not sent"""
    p50_ms: float | None = None
    p99_ms: float | None = None
    most_ms: float | None = None
    other: dict[str, int] = {}
    """what failed: answer -> how often"""
    refused_http: int = 0
    refused_sockets: int = 0
    next: int = 0
    """number of the next message"""

    def plus(self, other: Span) -> Span:
        """Counts of both."""
        summed = ("sent", "acknowledged", "told", "untold", "failed", "held_back", "refused_http", "refused_sockets")
        counts = {name: getattr(self, name) + getattr(other, name) for name in summed}
        what = {name: self.other.get(name, 0) + other.other.get(name, 0) for name in {*self.other, *other.other}}
        return Span("run", "run", 1, 0, **counts, other=what, next=other.next)


class Found(msgspec.Struct):
    acknowledged: int
    lost: int
    stored: int


def stored_wholly(database_url: str, acknowledged: Path) -> Found:
    """Look for each message of a file of `number events`; an id that is stored twice counts as lost, too."""
    lines = acknowledged.read_text().rpartition("\n")[0].split("\n")  # senders that were killed may leave half a line
    pairs = np.array([line.split() for line in lines if line], dtype=np.int64).reshape(-1, 2)
    wanted = np.zeros(int(pairs[:, 0].max(initial=0)) + 1, dtype=np.int64)
    wanted[pairs[:, 0]] = pairs[:, 1]
    stored = _stored(database_url, len(wanted))
    named = wanted > 0
    lost = np.abs(wanted[named] - stored[: len(wanted)][named]).sum()
    return Found(int(wanted.sum()), int(lost), int(stored.sum()))


def database_mb(database_url: str) -> float:
    """Of a PostgreSQL; SQLite lies in the folder that is measured anyway."""
    database = Database(database_url)
    try:
        if database.dialect != "postgresql":
            return 0.0
        with database.read() as session:
            return float(session.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0) / 2**20
    finally:
        database.dispose()


def _stored(database_url: str, least: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many events of each message are stored."""
    database = Database(database_url)
    stored = np.zeros(least, dtype=np.int64)
    with database.read() as session:
        query = sa.text("SELECT event_id FROM event WHERE event_type = 'soak'")
        rows = session.execute(query.execution_options(stream_results=True, yield_per=AT_ONCE))
        for some in rows.partitions(AT_ONCE):
            numbers = [int(event_id[PREFIX : event_id.index(":")]) for (event_id,) in some]
            counted = np.bincount(numbers, minlength=len(stored))
            counted[: len(stored)] += stored
            stored = counted
    database.dispose()
    return stored
