"""What is not compacted yet, as one Arrow table: sealed batches are read once and kept, since they never change; open ones
are read again each time.

An erasure takes rows out of sealed batches too; it also lowers their count, which is part of what they are kept under.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core.errors import Unavailable
from quadra.ingest.tables import Batch
from quadra.warehouse.columns import time_type
from quadra.warehouse.query.span import Range
from quadra.warehouse.segments.rows import Key, read_batches
from quadra.warehouse.segments.sealed import SealedRows

ROWS_MOST = 2_000_000
"""Of one question: what they take in memory is not under DuckDB's bound."""
PROJECTS_MOST = 32
"""Kept at the same time."""

Bounds = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Fresh:
    """What no compaction has taken, as of one moment."""

    sealed: pa.Table
    """The same object as long as it has the same rows."""
    bounds: Bounds
    """Of each sealed batch: its rows, and when its first and last occurred."""
    opened: pa.Table

    def state(self, span: Range) -> tuple[object, ...]:
        """What rows there are within a range. An open batch that lost a row to an erasure and got another one has as many as
        before: its rows are told apart by all that they say.
        """
        start_us, end_us = span.start_us, span.end_us
        sealed = [
            (batch_id, rows)
            for batch_id, rows, first_us, last_us in self.bounds
            if (start_us is None or last_us >= start_us) and (end_us is None or first_us < end_us)
        ]
        opened = self.opened
        if start_us is not None:
            opened = opened.filter(pc.greater_equal(opened["occurred_at"], pa.scalar(start_us, time_type())))
        if end_us is not None:
            opened = opened.filter(pc.less(opened["occurred_at"], pa.scalar(end_us, time_type())))
        return (tuple(sorted(sealed)), digest(opened) if opened.num_rows else b"")

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables([self.sealed, self.opened])


@dataclass
class _Kept:
    """The sealed batches of a project that this process has read, as one table."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: frozenset[Key] = frozenset()
    table: pa.Table | None = None
    bounds: Bounds = ()


class FreshRows:
    def __init__(self, sealed: SealedRows) -> None:
        self._sealed = sealed
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def read(self, session: Session, project_id: int) -> Fresh:
        """The rows of all batches that no compaction has taken, as the session's snapshot sees them.

        Raises `Unavailable` when there are too many: then compaction is far behind.
        """
        query = sa.select(Batch.id, Batch.status, Batch.event_count)
        waiting = session.execute(query.where(Batch.project_id == project_id, Batch.segment_id.is_(None))).all()
        if (rows := sum(row.event_count for row in waiting)) > ROWS_MOST:
            raise Unavailable(f"{rows:,} events wait for their compaction; try again soon.", retry_after_seconds=15)
        sealed = frozenset((row.id, row.event_count) for row in waiting if row.status != "OPEN")
        opened = [(row.id, row.event_count) for row in waiting if row.status == "OPEN"]
        return Fresh(*self._read_sealed(session, project_id, sealed), read_batches(session, opened))

    def forget(self, project_id: int) -> None:
        """Most of it was just compacted: whoever asks next reads the rest."""
        with self._lock:
            self._kept.pop(project_id, None)

    def _read_sealed(self, session: Session, project_id: int, keys: frozenset[Key]) -> tuple[pa.Table, Bounds]:
        kept = self._of(project_id)
        with kept.lock:  # a second question waits for the first one's reading instead of doing the same
            if kept.table is None or keys != kept.keys:
                kept.table = self._extended(session, kept, keys)
                kept.keys, kept.bounds = keys, _bounds(kept.table)
            return kept.table, kept.bounds

    def _extended(self, session: Session, kept: _Kept, keys: frozenset[Key]) -> pa.Table:
        if kept.table is not None and kept.keys <= keys:
            known, missing = kept.table, keys - kept.keys
        elif kept.table is not None and (left := keys & kept.keys):
            known, missing = _only(kept.table, left), keys - left
        else:
            return self._sealed.table(session, sorted(keys))
        new = self._sealed.table(session, sorted(missing))
        return pa.concat_tables([known, new]).combine_chunks()

    def _of(self, project_id: int) -> _Kept:
        with self._lock:
            kept = self._kept.pop(project_id, None) or _Kept()
            self._kept[project_id] = kept
            while len(self._kept) > PROJECTS_MOST:
                self._kept.popitem(last=False)
            return kept


def _only(table: pa.Table, keys: frozenset[Key]) -> pa.Table:
    ids = pa.array([batch_id for batch_id, _count in keys], pa.string())
    return table.filter(pa.compute.is_in(table["batch_id"], value_set=ids))


def _bounds(table: pa.Table) -> Bounds:
    us = table.select(["batch_id"]).append_column("us", table["occurred_at"].cast(pa.int64()))
    found = us.group_by("batch_id").aggregate([("us", "count"), ("us", "min"), ("us", "max")])
    columns = (found[name].to_pylist() for name in ("batch_id", "us_count", "us_min", "us_max"))
    return tuple(zip(*columns, strict=True))


def digest(table: pa.Table) -> bytes:
    """Of all values, in the order in which they stand."""
    found = hashlib.blake2b()
    for batch in table.combine_chunks().to_batches():
        found.update(batch.serialize())
    return found.digest()
