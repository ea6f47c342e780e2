"""What the live page reads from the database. Blocks: runs on native threads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Database
from quadra.dashboard.messages import ShownEvent
from quadra.dashboard.tally import ACTIVE, LATEST, MINUTE, PREFIX, REACH, SECOND, SLOT, Cursor, Loaded, Seen, first_id
from quadra.ingest.kinds import numbered
from quadra.ingest.tables import Batch, Event

HISTORY = timedelta(hours=50)
"""Yesterday and today, with a batch's age to spare."""
RECENT = timedelta(minutes=25)
"""Reaches back over what the page shows second by second."""
MAX_CAUGHT_UP = 200
LATE = timedelta(minutes=1)
"""How long before the viewer's last event one may have been received that was committed only after it."""
SLACK = timedelta(minutes=1)
"""Between the time in a batch's id and the time in its row."""
ACTIVE_TWICE = timedelta(microseconds=2 * ACTIVE)


def _whole(column: Any, microseconds: int) -> sa.Label[int]:
    """A time in units of so many microseconds, in SQL."""
    return (sa.type_coerce(column, sa.BigInteger) // microseconds).label("unit")


@dataclass
class BatchState:
    id: str
    sealed: bool
    event_count: int


def history(database: Database, project_id: int) -> tuple[Loaded, list[BatchState]]:
    """(what the sealed batches hold, the open batches), as of one moment. The database counts; rows stay there."""
    at = clock.now()
    sealed = sa.and_(Batch.project_id == project_id, Batch.opened_at >= at - HISTORY, Batch.status != "OPEN")
    recent = sa.and_(sealed, Batch.opened_at >= at - RECENT)
    seen = sa.and_(
        recent, Event.user_id.is_not(None), Event.bot.is_(False), Event.occurred_at.between(at - ACTIVE_TWICE, at)
    )
    with database.snapshot() as session:
        minute, second, slot = (
            _whole(Event.occurred_at, MINUTE),
            _whole(Event.received_at, SECOND),
            _whole(Event.occurred_at, SLOT),
        )
        counts = session.execute(_of(sealed, minute, Event.name, sa.func.count()).group_by(minute, Event.name))
        arrivals = session.execute(_of(recent, second, sa.func.count()).group_by(second))
        visitors = session.execute(_of(seen, slot, Event.user_id).distinct())
        newest = session.scalar(_of(recent, sa.func.max(sa.type_coerce(Event.received_at, sa.BigInteger))))
        opened = _states(session, sa.and_(Batch.project_id == project_id, Batch.status == "OPEN"))
        horizon = min([first_id(clock.to_us(at) - REACH), *(state.id[:PREFIX] for state in opened)])
        known = sa.and_(sealed, sa.or_(Batch.opened_at >= at - RECENT, Batch.id >= horizon))
        minutes: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for unit, name, count in counts:
            minutes[int(unit)][name] = count
        loaded = Loaded(
            minutes=dict(minutes),
            arrivals={int(unit): count for unit, count in arrivals},
            visitors=[(int(unit), user) for unit, user in visitors],
            done={state.id: state.event_count for state in _states(session, known)},
            horizon=horizon,
            received_at=newest or 0,
        )
        return loaded, opened


def _of(which: sa.ColumnElement[bool], *columns: Any) -> sa.Select[Any]:
    """Columns of the events of some batches."""
    return sa.select(*columns).select_from(Event).join(Batch, Batch.id == Event.batch_id).where(which)


def changed(database: Database, project_id: int, *, since: Any, known: Iterable[str]) -> list[BatchState]:
    """Batches opened since then, and how those in `known` stand now."""
    with database.read() as session:
        found = _states(session, sa.and_(Batch.project_id == project_id, Batch.opened_at >= since))
        rest = set(known) - {state.id for state in found}
        return found + (_states(session, Batch.id.in_(rest)) if rest else [])


def rows_of(database: Database, batch_id: str) -> list[tuple[Seen, ShownEvent]]:
    """The events of a batch, for the tally and for people."""
    with database.read() as session:
        events = session.scalars(sa.select(Event).where(Event.batch_id == batch_id)).all()
    return [(_seen(event), shown(event)) for event in events]


def latest(database: Database, project_id: int) -> list[ShownEvent]:
    """The newest events of the project's newest batches, newest first."""
    newest = (
        sa.select(Batch.id).where(Batch.project_id == project_id).order_by(Batch.opened_at.desc()).limit(8).subquery()
    )
    query = sa.select(Event).where(Event.batch_id.in_(sa.select(newest.c.id)))
    with database.read() as session:
        return [shown(event) for event in session.scalars(query.order_by(Event.received_at.desc()).limit(LATEST))]


def missed(database: Database, project_id: int, cursor: Cursor) -> tuple[int, list[ShownEvent]]:
    """(how many events a viewer with this cursor has not been told of, the newest of them).

    The number is exact. Where some of them were received before the viewer's last event and committed after it, the list
    may also hold events that the viewer has: it tells them apart by their ids.
    """
    since = clock.from_us(cursor.horizon_at) - SLACK
    batches = sa.and_(Batch.project_id == project_id, Batch.opened_at >= since, Batch.id >= cursor.horizon)
    last = clock.from_us(cursor.received_at)
    newest = Event.received_at.desc()
    with database.read() as session:
        held = session.scalar(sa.select(sa.func.sum(Batch.event_count)).where(batches)) or 0
        count = max(0, int(held) - cursor.counted)
        if not count:
            return 0, []
        later = sa.and_(batches, Event.received_at > last)
        events = list(session.scalars(_of(later, Event).order_by(newest).limit(min(count, MAX_CAUGHT_UP))))
        if len(events) < min(count, MAX_CAUGHT_UP):
            late = sa.and_(batches, Event.received_at.between(last - LATE, last))
            events += session.scalars(_of(late, Event).order_by(newest).limit(MAX_CAUGHT_UP - len(events)))
        return count, [shown(event) for event in events]


def shown(event: Any) -> ShownEvent:
    """An event: a table row or an accepted row."""
    return ShownEvent(
        event_id=event.event_id,
        kind=event.kind,
        name=event.name,
        event_type=event.event_type,
        category=event.category,
        user_id=event.user_id,
        session_id=event.session_id,
        occurred_at=_ms(event.occurred_at),
        received_at=_ms(event.received_at),
        page_url=event.page_url,
        duration_ms=event.duration_ms,
        value=event.value,
        success=event.success,
        bot=event.bot,
        fields=numbered(_plain(event.fields)),
        properties=_plain(event.properties),
    )


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
