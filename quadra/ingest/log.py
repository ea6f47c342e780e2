"""Append rows to the log: one transaction that deduplicates, counts and seals. This is the only place that writes events.

Why no event is ever in a batch after it was sealed: the same transaction that inserts the events updates their batch on
the condition that it is still OPEN. If another process sealed it meanwhile, that update hits no row, everything is rolled
back and written again into a new batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.database_errors import refuses_a_value
from quadra.core.ids import process_name, uuid7
from quadra.core.runtime import Runtime
from quadra.ingest.columns import Row
from quadra.ingest.copying import NotCopied
from quadra.ingest.inserters import INSERTERS
from quadra.ingest.tables import Batch
from quadra.jobs.queue import enqueue_for_batches


@dataclass(slots=True)
class OpenBatch:
    """The batch that a writer adds to at present, as it last knew it."""

    id: str
    event_count: int


@dataclass(slots=True)
class Appended:
    """What one transaction did."""

    outcomes: list[tuple[str, bool]]
    """For each row given: the batch it is in, and whether it was a duplicate."""
    stored: list[tuple[OpenBatch, list[Row]]] = field(default_factory=list)
    """For each batch touched: the batch with its new count, and the rows that are new in it."""
    open_batches: dict[int, OpenBatch] = field(default_factory=dict)
    """project id -> the batch that is open now; projects not named have none."""
    sealed: list[str] = field(default_factory=list)


# made once: making them anew for each flush took longer than the database needs for them
OPEN = sa.insert(Batch)
GROW = (
    sa.update(Batch)
    .where(Batch.id == sa.bindparam("batch"), Batch.status == "OPEN")
    .values(event_count=Batch.event_count + sa.bindparam("added"))
)
GROW_AND_SEAL = GROW.values(status="SEALED", sealed_at=sa.bindparam("at"))


class BatchGone(Exception):
    """Somebody sealed the writer's open batch; write again into a new one."""


class Log:
    """The log of one database, written by one writer."""

    def __init__(
        self,
        database: Database,
        *,
        writer: str,
        batch_max_events: int,
        job_kinds: Mapping[str, int] | None = None,
        max_attempts: int = 5,
    ):
        self._database = database
        self._writer = writer
        self._batch_max_events = batch_max_events
        self._job_kinds = job_kinds or {}
        self._max_attempts = max_attempts
        self._inserter = INSERTERS[database.dialect]()
        self._open: dict[int, OpenBatch] = {}

    def append(self, rows: Sequence[Row]) -> Appended:
        """Store `rows` durably, each (project, event id) once. Blocks; call from one thread at a time.

        Raises what the driver raises; then nothing of it is stored, unless the connection broke during COMMIT: the caller
        must not acknowledge, and a repetition finds the events as duplicates.
        """
        while True:
            try:
                with self._database.connect_to_write() as connection:
                    done = self._append(connection, rows)
            except BatchGone:
                self._open.clear()
                continue
            except NotCopied:
                continue
            except DBAPIError as error:
                if not refuses_a_value(error):
                    self._database.refused(error)
                raise
            self._open = done.open_batches
            if done.stored:
                self._database.wrote_at = time.monotonic()
            return done

    def forget_open_batches(self) -> None:
        """Start new batches with the next rows; the old ones are sealed by their age."""
        self._open = {}

    def _append(self, connection: sa.Connection, rows: Sequence[Row]) -> Appended:
        unique: dict[int, dict[str, Row]] = {}
        for row in rows:
            unique.setdefault(row.project_id, {}).setdefault(row.event_id, row)
        done = Appended(outcomes=[], open_batches=dict(self._open))
        places: dict[int, tuple[str, dict[str, str]]] = {}
        # sorted: two writers that insert the same events take their locks in the same order and cannot deadlock
        for project_id, by_id in sorted(unique.items()):
            ordered = [by_id[event_id] for event_id in sorted(by_id)]
            places[project_id] = self._append_project(connection, project_id, ordered, done)
        for row in rows:
            batch_id, existing = places[row.project_id]
            there = existing.get(row.event_id)
            repeated = there is not None or unique[row.project_id][row.event_id] is not row
            done.outcomes.append((there or batch_id, repeated))
        return done

    def _append_project(
        self,
        connection: sa.Connection,
        project_id: int,
        rows: list[Row],
        done: Appended,
    ) -> tuple[str, dict[str, str]]:
        """The batch of what is new, and the batches of what was there already."""
        known = self._open.get(project_id)
        batch = OpenBatch(known.id, known.event_count) if known else OpenBatch(uuid7(), 0)
        existing = self._inserter.insert(connection, batch.id, rows)
        new = [row for row in rows if row.event_id not in existing] if existing else rows
        if not new:
            return batch.id, existing
        batch.event_count += len(new)
        full = batch.event_count >= self._batch_max_events
        self._count(connection, project_id, batch, len(new), created=known is None, full=full)
        done.stored.append((batch, new))
        if full:
            done.open_batches.pop(project_id, None)
            done.sealed.append(batch.id)
        else:
            done.open_batches[project_id] = batch
        return batch.id, existing

    def _count(
        self, connection: sa.Connection, project_id: int, batch: OpenBatch, added: int, *, created: bool, full: bool
    ) -> None:
        at = clock.now()
        if created:
            state = {"status": "SEALED", "sealed_at": at} if full else {"status": "OPEN"}
            row = {"id": batch.id, "project_id": project_id, "writer": self._writer, "event_count": added}
            connection.execute(OPEN, {**row, "opened_at": at, **state})
        else:
            grown = {"batch": batch.id, "added": added}
            updated = (
                connection.execute(GROW_AND_SEAL, {**grown, "at": at}) if full else connection.execute(GROW, grown)
            )
            if updated.rowcount == 0:
                raise BatchGone
        if full:
            enqueue_for_batches(
                connection, [(batch.id, project_id)], kinds=self._job_kinds, max_attempts=self._max_attempts
            )


def make_log(runtime: Runtime) -> Log:
    """A log with a writer identity of its own: no two processes, no two logs and no two starts share an open batch."""
    settings = runtime.settings
    return Log(
        runtime.database,
        writer=process_name(),
        batch_max_events=settings.batch_max_events,
        job_kinds=runtime.batch_kinds,
        max_attempts=settings.job_max_attempts,
    )
