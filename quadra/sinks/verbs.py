"""What people do with a sink: pause it, resume it, have it take a part of history again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Conflict, Invalid, NotFound
from quadra.core.settings import Settings
from quadra.jobs.states import PENDING
from quadra.jobs.tables import Job, rows_hit
from quadra.sinks import queue
from quadra.sinks.registry import SINKS, Listed


def find(settings: Settings, name: str) -> Listed:
    """Raises `NotFound`, with what to do."""
    for sink in SINKS:
        if sink.name != name:
            continue
        if not sink.wanted(settings):
            raise NotFound(f"The sink {name} is not configured: set {sink.variable} and start again.")
        if not sink.installed:
            raise NotFound(f"The sink {name} is configured and its library is not installed. {sink.advice}")
        return sink
    raise NotFound(f"There is no sink {name!r}; there are {', '.join(sink.name for sink in SINKS)}.")


def pause(session: Session, sink: Listed) -> None:
    """What is being delivered at this moment still is. Raises `Conflict`."""
    row = queue.row_of(session, sink.name)
    if row.paused_at is not None:
        raise Conflict(f"{sink.title} is paused already.")
    row.paused_at = clock.now()


def resume(session: Session, sink: Listed) -> None:
    """Jobs that wait for the other side to come back try at once. Raises `Conflict`."""
    row = queue.row_of(session, sink.name)
    if row.paused_at is None:
        raise Conflict(f"{sink.title} is not paused.")
    row.paused_at = None
    waiting = sa.and_(Job.kind == sink.kind, Job.state == PENDING)
    rows_hit(session, sa.update(Job).where(waiting).values(available_at=clock.now()))


def read_range(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """Of a replay, in UTC where no offset is given. A bare date as the end means through the end of that day; without an end
    it is now. Raises `Invalid`, naming every wrong field."""
    wrong: dict[str, str] = {}
    first, last = _moment("from", start, wrong), _moment("to", end, wrong)
    if first is None and not wrong:
        wrong["from"] = "required: from when on, such as 2026-01-31T12:00:00Z"
    if last is not None and end is not None and len(end) <= len("2026-01-31"):
        last += timedelta(days=1)
    last = last or clock.now()
    if first is not None and first >= last:
        wrong.setdefault("to", "later than from")
    if wrong or first is None:
        raise Invalid("There is no such range.", fields=wrong)
    return first, last


def _moment(name: str, text: str | None, wrong: dict[str, str]) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        at = None
        wrong[name] = "a time such as 2026-01-31T12:00:00Z, or a date"
    if at is not None and not 1970 <= at.year < 9000:
        wrong[name] = "a time from 1970 on"
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) if at else None


def replay(database: Database, sink: Listed, *, start: datetime, end: datetime) -> int:
    """Put every batch that received events in [start, end) into the queue again; how many. In transactions of its own, since
    there may be many.
    """
    count, after = 0, ""
    while True:
        with database.begin() as session:
            queue.row_of(session, sink.name)
            found, last = queue.replay(session, sink.name, start=start, end=end, after=after)
        if last is None:
            return count
        count, after = count + found, last
