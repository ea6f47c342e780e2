"""What the live page reads from the database. Blocks: runs on native threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Database
from quadra.dashboard.tally import LATEST, MINUTE, Loaded, Seen
from quadra.ingest.tables import Batch, Event

HISTORY = timedelta(hours=50)
"""Yesterday and today, with a batch's age to spare."""
RECENT = timedelta(minutes=25)
MAX_CAUGHT_UP = 200

_minute = (sa.type_coerce(Event.occurred_at, sa.BigInteger) // MINUTE).label("minute")


@dataclass
class BatchState:
    id: str
    sealed: bool
    event_count: int


def history(database: Database, project_id: int) -> tuple[Loaded, list[BatchState]]:
    """(what older sealed batches hold, the batches whose rows must be read one by one), as of one moment."""
    at = clock.now()
    whole = sa.and_(
        Batch.project_id == project_id,
        Batch.opened_at >= at - HISTORY,
        Batch.opened_at < at - RECENT,
        Batch.status != "OPEN",
    )
    rest = sa.and_(Batch.project_id == project_id, sa.or_(Batch.opened_at >= at - RECENT, Batch.status == "OPEN"))
    with database.snapshot() as session:
        counts = session.execute(
            sa.select(_minute, Event.name, sa.func.count())
            .join(Batch, Batch.id == Event.batch_id)
            .where(whole)
            .group_by(_minute, Event.name)
        )
        minutes = {(int(minute), name): count for minute, name, count in counts}
        states = _states(session, rest)
    return Loaded(minutes=minutes, done=()), states


def changed(database: Database, project_id: int, *, since: Any, known: Iterable[str]) -> list[BatchState]:
    """Batches opened since then, and how those in `known` stand now."""
    with database.read() as session:
        found = _states(session, sa.and_(Batch.project_id == project_id, Batch.opened_at >= since))
        rest = set(known) - {state.id for state in found}
        return found + (_states(session, Batch.id.in_(rest)) if rest else [])


def rows_of(database: Database, batch_ids: Sequence[str]) -> Iterator[tuple[str, list[tuple[Seen, dict[str, Any]]]]]:
    """The events of batches: (batch id, [(for the tally, for people)])."""
    for batch_id in batch_ids:
        with database.read() as session:
            events = session.scalars(sa.select(Event).where(Event.batch_id == batch_id)).all()
        yield batch_id, [(_seen(event), shown(event)) for event in events]


def latest(database: Database, project_id: int) -> list[dict[str, Any]]:
    """The newest events of the project's newest batches, newest first."""
    newest = (
        sa.select(Batch.id).where(Batch.project_id == project_id).order_by(Batch.opened_at.desc()).limit(8).subquery()
    )
    query = sa.select(Event).where(Event.batch_id.in_(sa.select(newest.c.id)))
    with database.read() as session:
        return [shown(event) for event in session.scalars(query.order_by(Event.received_at.desc()).limit(LATEST))]


def missed(database: Database, project_id: int, cursor: int) -> tuple[int, list[dict[str, Any]]]:
    """(how many events came after the cursor, the newest of them)."""
    after = clock.from_us(cursor)
    there = sa.and_(
        Batch.project_id == project_id,
        sa.or_(Batch.sealed_at.is_(None), Batch.sealed_at >= after),
        Event.received_at > after,
    )
    query = sa.select(Event).join(Batch, Batch.id == Event.batch_id).where(there)
    with database.read() as session:
        count = session.scalar(
            sa.select(sa.func.count()).select_from(Event).join(Batch, Batch.id == Event.batch_id).where(there)
        )
        events = session.scalars(query.order_by(Event.received_at.desc()).limit(MAX_CAUGHT_UP))
        return count or 0, [shown(event) for event in events]


def shown(event: Any) -> dict[str, Any]:
    """An event (a table row or an accepted row) as the page gets it: camelCase, times in milliseconds."""
    return {
        "eventId": event.event_id,
        "kind": event.kind,
        "name": event.name,
        "eventType": event.event_type,
        "category": event.category,
        "userId": event.user_id,
        "sessionId": event.session_id,
        "occurredAt": _ms(event.occurred_at),
        "receivedAt": _ms(event.received_at),
        "pageUrl": event.page_url,
        "durationMs": event.duration_ms,
        "value": event.value,
        "success": event.success,
        "bot": event.bot,
        "fields": _plain(event.fields),
        "properties": _plain(event.properties),
    }


def _states(session: Session, which: sa.ColumnElement[bool]) -> list[BatchState]:
    found = session.execute(sa.select(Batch.id, Batch.status, Batch.event_count).where(which))
    return [BatchState(batch_id, status != "OPEN", count) for batch_id, status, count in found]


def _seen(event: Event) -> Seen:
    return Seen(
        event.event_id,
        event.name,
        event.user_id,
        clock.to_us(event.occurred_at),
        clock.to_us(event.received_at),
        event.bot,
    )


def _ms(at: Any) -> int:
    return int(at // 1000 if isinstance(at, int) else clock.to_us(at) // 1000)


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else (value or {})
