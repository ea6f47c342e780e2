"""The queue of each sink: which sealed batches it still waits for, in their order. Each function is a part of a transaction.

It is filled by looking at the batches, not by whoever seals them: ingest does nothing for sinks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.ingest.tables import Batch
from quadra.jobs.tables import rows_hit
from quadra.sinks.sink import Refused
from quadra.sinks.tables import QuarantinedEvent, QueuedBatch, SinkProgress, SinkRow

Entry = Mapping[str, object]

AT_ONCE = 2_000
"""Batches of one transaction."""
BEFORE_FIRST = timedelta(hours=1)
"""Of a new sink: batches that were sealed so long before it was first seen are delivered too."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one project has in the queue of a sink."""

    project_id: int
    events: int
    since: datetime


def row_of(session: Session, sink: str) -> SinkRow:
    """Made when it is first asked for. Call it in a transaction that writes."""
    row = session.get(SinkRow, sink)
    if row is None:
        since = clock.now() - BEFORE_FIRST
        _insert_new(session, SinkRow, [{"name": sink, "since": since, "looked_at": since, "failures": 0}], "name")
        row = session.get_one(SinkRow, sink)
    return row


def find_new(session: Session, sink: SinkRow, *, sealed_after: datetime) -> Sequence[Batch]:
    """Some sealed batches that are not in the queue of this sink."""
    queued = sa.exists().where(QueuedBatch.sink == sink.name, QueuedBatch.batch_id == Batch.id)
    sealed = sa.and_(Batch.cold_at.is_(None), Batch.sealed_at >= max(sink.since, sealed_after), Batch.status != "OPEN")
    return session.scalars(sa.select(Batch).where(sealed, ~queued).order_by(Batch.sealed_at).limit(AT_ONCE)).all()


def entries(sink: str, batches: Iterable[Batch], *, waits_since: datetime | None = None) -> list[Entry]:
    """What `add` puts into the queue of a sink: made before the transaction, which others wait for."""
    return [
        {
            "sink": sink,
            "batch_id": batch.id,
            "project_id": batch.project_id,
            "events": batch.event_count,
            "sealed_at": batch.sealed_at,
            "waits_since": waits_since or batch.sealed_at,
        }
        for batch in batches
    ]


def add(session: Session, rows: Sequence[Entry]) -> None:
    """Batches that are in the queue already stay as they are."""
    if rows:
        _insert_new(session, QueuedBatch, rows, "batch_id")


def waiting(session: Session, sink: str, projects: Collection[int]) -> list[Waiting]:
    """What these have in the queue."""
    oldest = sa.func.min(sa.type_coerce(QueuedBatch.waits_since, sa.BigInteger))
    here = (*_undelivered(sink), QueuedBatch.project_id.in_(projects))
    query = sa.select(QueuedBatch.project_id, sa.func.sum(QueuedBatch.events), oldest).where(*here)
    found = session.execute(query.group_by(QueuedBatch.project_id))
    return [Waiting(project_id, int(events), clock.from_us(int(us))) for project_id, events, us in found]


def next_batches(session: Session, sink: str, project_id: int, *, rows: int) -> list[Batch]:
    """The first in the queue of a project, of about so many events; at least one batch, where there is one."""
    here = (*_undelivered(sink), QueuedBatch.project_id == project_id)
    ids = list(
        session.scalars(sa.select(QueuedBatch.batch_id).where(*here).order_by(QueuedBatch.batch_id).limit(AT_ONCE))
    )
    taken: list[Batch] = []
    count = 0
    for batch in session.scalars(sa.select(Batch).where(Batch.id.in_(ids)).order_by(Batch.id)):
        if taken and count + batch.event_count > rows:
            break
        taken.append(batch)
        count += batch.event_count
    return taken


def delivered(
    session: Session, sink: str, project_id: int, batch_ids: Sequence[str], *, events: int, refused: Sequence[Refused]
) -> None:
    """They leave the queue."""
    at = clock.now()
    these = sa.and_(QueuedBatch.sink == sink, QueuedBatch.batch_id.in_(batch_ids))
    rows_hit(session, sa.update(QueuedBatch).where(these).values(delivered_at=at))
    mine = sa.and_(SinkProgress.sink == sink, SinkProgress.project_id == project_id)
    more = {"delivered_events": SinkProgress.delivered_events + events - len(refused), "delivered_at": at}
    if not rows_hit(session, sa.update(SinkProgress).where(mine).values(more)):
        first = SinkProgress(sink=sink, project_id=project_id, delivered_events=events - len(refused))
        session.add(first)  # one job of a project and sink runs at a time, so nobody else adds it
    quarantine(session, sink, project_id, refused)
    failing = sa.and_(SinkRow.name == sink, SinkRow.failures > 0)
    rows_hit(session, sa.update(SinkRow).where(failing).values(failures=0))


def quarantine(session: Session, sink: str, project_id: int, refused: Sequence[Refused]) -> None:
    """What was refused before keeps one entry, with the latest reason."""
    for one in refused:
        same = sa.and_(
            QuarantinedEvent.sink == sink,
            QuarantinedEvent.project_id == project_id,
            QuarantinedEvent.event_id == one.event_id,
        )
        rows_hit(session, sa.delete(QuarantinedEvent).where(same))
        session.add(
            QuarantinedEvent(
                sink=sink,
                project_id=project_id,
                event_id=one.event_id,
                batch_id=one.batch_id,
                reason=one.reason.replace("\x00", "")[:2_000],
            )
        )


def failed(session: Session, sink: str, reason: str) -> int:
    """Note it; how many times in a row it has failed."""
    once_more = (
        sa.update(SinkRow)
        .where(SinkRow.name == sink)
        .values(failures=SinkRow.failures + 1, last_error=reason[:2_000], last_error_at=clock.now())
    )
    if not rows_hit(session, once_more):
        row_of(session, sink)
        rows_hit(session, once_more)
    return session.scalars(sa.select(SinkRow.failures).where(SinkRow.name == sink)).one()


def forget(session: Session, sink: str, *, sealed_before: datetime) -> int:
    """Drop some entries that were delivered and that no look will find again; how many."""
    old = sa.and_(
        QueuedBatch.sink == sink, QueuedBatch.delivered_at.is_not(None), QueuedBatch.sealed_at < sealed_before
    )
    ids = list(session.scalars(sa.select(QueuedBatch.batch_id).where(old).limit(AT_ONCE)))
    return rows_hit(session, sa.delete(QueuedBatch).where(QueuedBatch.sink == sink, QueuedBatch.batch_id.in_(ids)))


def replay(session: Session, sink: str, *, start: datetime, end: datetime, after: str) -> tuple[int, str | None]:
    """Put some batches that received events in [start, end) into the queue again: (how many, the last one's id).

    Call it with that id until there is none.
    """
    received = sa.and_(Batch.opened_at < end, Batch.sealed_at >= start, Batch.status != "OPEN", Batch.id > after)
    found = session.scalars(sa.select(Batch).where(received).order_by(Batch.id).limit(AT_ONCE)).all()
    if not found:
        return 0, None
    at = clock.now()
    these = sa.and_(
        QueuedBatch.sink == sink,
        QueuedBatch.batch_id.in_([batch.id for batch in found]),
        QueuedBatch.delivered_at.is_not(None),
    )
    rows_hit(session, sa.update(QueuedBatch).where(these).values(delivered_at=None, waits_since=at))
    add(session, entries(sink, found, waits_since=at))
    return len(found), found[-1].id


def _undelivered(sink: str) -> tuple[sa.ColumnElement[bool], ...]:
    return QueuedBatch.sink == sink, QueuedBatch.delivered_at.is_(None)


def _insert_new(
    session: Session, table: type[SinkRow | QueuedBatch], rows: Sequence[Mapping[str, object]], key: str
) -> None:
    """Rows that another worker has put in meanwhile are left as they are."""
    dialect = session.connection().dialect.name
    if dialect in ("mysql", "mariadb"):
        # not INSERT IGNORE, which also cuts values that do not fit
        session.execute(mysql.insert(table).on_duplicate_key_update({key: sa.literal_column(key)}), list(rows))
    else:
        make = postgresql.insert if dialect == "postgresql" else sqlite.insert
        session.execute(make(table).on_conflict_do_nothing(), list(rows))
