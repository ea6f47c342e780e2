"""The upkeep that judges signals: every few seconds the minutes that are over, of each project that had events lately.

Workers do not wait for one another: each judges what it finds due, and the first to move `until_at` on keeps its readings.
See `signal_store.py` for what they remember.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.accounts.projects import OWN
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.field.minutes import Going, Signals, follow
from quadra.field.signal_store import Memory, at_minute, load, minute_of, move_on, save
from quadra.field.signals import MINUTE_US, SIGNALS, Minutes, OfProject, Signal, empty, measure
from quadra.field.tables import SignalMinute, SignalProgress
from quadra.ingest.accept import FUTURE_US
from quadra.ingest.tables import Batch, Event
from quadra.warehouse.query.engine import warehouse_of

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)
SETTLED_US = 30_000_000
"""After its end a minute is judged. What comes later is in no signal."""
HISTORY = timedelta(days=8)
"""That is learned of a project which has no signals yet, and after a gap at the most."""
IDLE = timedelta(days=7)
"""Without a new batch a project is left alone."""
OWN_MINUTES = 15
"""Of Quadra's own project as many are judged together: it has some events each minute, and DuckDB is much for them."""
LOOKED_AT, BATCHES = 20_000, 500
"""Events, at the most, that are looked through for whether minutes have any, and their batches. With more DuckDB is quicker."""
AT_ONCE = 720
"""Minutes of one statement and transaction."""
TURN_SECONDS = 5.0
"""Of one project in one turn: others wait."""
SAVE_MINUTES = 60
TOLD_MINUTES = 60
"""What is older when it is judged is history that is learned, and nothing to tell."""

Tell = Callable[[Session, int, Signal, Going], None]
"""Called with an anomaly that began, went on or ended, in the transaction that stores the minute."""
_going = Typed(list[Going])


class Due(NamedTuple):
    project_id: int
    until: int | None
    """None for a project whose signals were never judged."""


def watch(runtime: Runtime, *, tell: Tell | None = None, more: Sequence[OfProject] = ()) -> None:
    """One turn. `more`: the signals that projects have of their own."""
    with runtime.database.read() as session:
        projects = _due(session)
    for due in projects:
        try:
            _catch_up(runtime, due, tell, more)
        except Unavailable as error:
            logger.warning("field.signals.postponed", extra={"project_id": due.project_id, "reason": error.message})


def settled() -> int:
    """The first minute that is not to be judged yet."""
    return (clock.now_us() - SETTLED_US) // MINUTE_US


def _due(session: Session) -> list[Due]:
    newest = (
        sa.select(Batch.opened_at)
        .where(Batch.project_id == Project.id)
        .order_by(Batch.opened_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(Project.id, Project.slug, SignalProgress.until_at)
        .outerjoin(SignalProgress, SignalProgress.project_id == Project.id)
        .where(newest > clock.now() - IDLE)
    )
    due = []
    for row in session.execute(query):
        until = None if row.until_at is None else minute_of(row.until_at)
        if until is None or settled() - until >= (OWN_MINUTES if row.slug == OWN else 1):
            due.append(Due(row.id, until))
    return due


def _catch_up(runtime: Runtime, due: Due, tell: Tell | None, more: Sequence[OfProject]) -> None:
    memory, ends_at = runtime.the(Memory), time.monotonic() + TURN_SECONDS
    signals = memory.known.get(due.project_id)
    if due.until is None:
        signals = _begin(runtime, due.project_id)
    elif signals is None or signals.until != due.until:
        signals = load(runtime, due.project_id)
    if signals is None:
        return
    memory.known.pop(due.project_id, None)  # until what it learns is stored
    skipped = settled() - int(HISTORY / timedelta(minutes=1))
    if signals.until < skipped and not _skip(runtime, due.project_id, signals, skipped):
        return
    while (end := min(signals.until + AT_ONCE, settled())) > signals.until:
        if not _judge(runtime, due.project_id, signals, end, tell, more):
            return
        if time.monotonic() > ends_at:
            break
    memory.keep(due.project_id, signals)


def _begin(runtime: Runtime, project_id: int) -> Signals | None:
    """At the first event of the history that is learned; None where there is none, or another worker was quicker."""
    end = settled() * MINUTE_US
    with warehouse_of(runtime).look(
        project_id, start_us=end - HISTORY // clock.MICROSECOND, end_us=end + SETTLED_US
    ) as look:
        first_us = look.query("SELECT min(occurred_us) FROM events").rows[0][0]
    if first_us is None:
        return None
    first = int(first_us) // MINUTE_US
    at = at_minute(first)
    try:
        with runtime.database.begin() as session:
            session.add(SignalProgress(project_id=project_id, until_at=at, saved_at=at))
    except IntegrityError:
        return None
    return Signals(first)


def _skip(runtime: Runtime, project_id: int, signals: Signals, until: int) -> bool:
    """Go on at a later minute: nobody judged for a long time."""
    with runtime.database.begin() as session:
        moved = move_on(session, project_id, signals.until, until)
    signals.until = until
    return moved


def _judge(
    runtime: Runtime, project_id: int, signals: Signals, end: int, tell: Tell | None, more: Sequence[OfProject]
) -> bool:
    """Judge and store the minutes before `end`; False where another worker has done so."""
    first = signals.until
    with runtime.database.read() as session:
        progress = session.get_one(SignalProgress, project_id)
        wanted = [*SIGNALS, *(signal for ask in more for signal in ask(session, project_id))]
        quiet = _nothing_occurred(session, project_id, first, end)
    going = {one.signal: one for one in _going.convert(progress.going)}
    if quiet:
        minutes = empty(wanted, first, end)
    else:
        with warehouse_of(runtime).look(project_id, start_us=first * MINUTE_US, end_us=end * MINUTE_US) as look:
            minutes = measure(look, wanted, first, end)
    signals.known = {name: one for name, one in signals.known.items() if name in minutes[first]}
    rows, changed = _readings_of(signals, going, wanted, minutes)
    due = end - minute_of(progress.saved_at) >= SAVE_MINUTES
    values: dict[str, Any] = {"going": msgspec.to_builtins(list(going.values()))}
    if due:
        values["saved_at"] = at_minute(end)
    with runtime.database.begin() as session:
        if not move_on(session, project_id, first, end, **values):
            return False
        session.execute(sa.insert(SignalMinute), [{"project_id": project_id, **row} for row in rows])
        if due:
            save(session, project_id, signals)
        if tell is not None:
            by_name = {signal.name: signal for signal in wanted}
            for one in changed.values():
                if one.is_told and one.signal in by_name and end - one.last <= TOLD_MINUTES:
                    tell(session, project_id, by_name[one.signal], one)
    return True


def _nothing_occurred(session: Session, project_id: int, first: int, end: int) -> bool:
    """Whether the minutes [first, end) certainly have no event. At rest that spares DuckDB, which stays loaded afterwards.

    No event is from further ahead than `FUTURE_US`, so a batch that was sealed longer ago has none of these minutes.
    """
    since = clock.from_us(first * MINUTE_US - FUTURE_US)
    query = sa.select(Batch.id, Batch.event_count, Batch.cold_at).where(
        Batch.project_id == project_id,
        sa.or_(Batch.status == "OPEN", sa.and_(Batch.opened_at > since - IDLE, Batch.sealed_at > since)),
    )
    batches = session.execute(query.order_by(Batch.opened_at.desc()).limit(BATCHES)).all()
    events = sum(batch.event_count for batch in batches)
    if len(batches) == BATCHES or events > LOOKED_AT or any(batch.cold_at for batch in batches):
        return False
    occurred = sa.select(Event.batch_id).where(
        Event.batch_id.in_([batch.id for batch in batches]),
        Event.occurred_at >= at_minute(first),
        Event.occurred_at < at_minute(end),
    )
    return session.execute(occurred.limit(1)).first() is None


def _readings_of(
    signals: Signals, going: dict[str, Going], wanted: Sequence[Signal], minutes: Minutes
) -> tuple[list[dict[str, Any]], dict[str, Going]]:
    """(rows of SignalMinute, the anomalies that changed by their id)"""
    rows: list[dict[str, Any]] = []
    changed: dict[str, Going] = {}
    for minute, values in minutes.items():
        readings = signals.judge(values)
        changed |= {one.id: one for one in follow(going, wanted, minute, readings)}
        rows.append({"minute_at": at_minute(minute), "readings": msgspec.to_builtins(readings)})
    return rows, changed
