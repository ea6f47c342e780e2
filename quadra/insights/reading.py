"""Read what an analysis needs: the events of a batch added up, the digests of those before it, its hours on earlier days.

Bounded: of a large batch an even sample is read, of the past a few kilobytes for each of a few batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.ingest.tables import Batch, Event
from quadra.insights.digest import Digest, load
from quadra.insights.history import BatchContext, HourPast, Told
from quadra.insights.seen import Line, Seen, add_up
from quadra.insights.tables import HourCount, Insight
from quadra.insights.window import window_seconds

MOST_READ = 5_000
"""Events looked at; of a larger batch every n-th."""
HISTORY = 20
DAYS = 14
HOURS = 48
"""Hours of a batch that are compared with earlier days: the fullest. An import may span years."""

COLUMNS = (
    Event.kind,
    Event.event_type,
    Event.name,
    Event.user_id,
    Event.session_id,
    sa.type_coerce(Event.occurred_at, sa.BigInteger).label("occurred_us"),
    sa.type_coerce(Event.received_at, sa.BigInteger).label("received_us"),
    Event.page_url,
    Event.browser,
    Event.duration_ms,
    Event.value,
    Event.success,
    Event.bot,
    Event.fields,
)

# made once, and asked of the bare connection: making statements took longer than the database needs for them
OF_BATCH = sa.select(*COLUMNS).where(Event.batch_id == sa.bindparam("batch"))
MINE = sa.and_(
    Insight.project_id == sa.bindparam("project"),
    Insight.analyst == "local",
    Insight.batch_id < sa.bindparam("batch"),
)
DIGESTS = sa.select(Insight.digest).where(MINE).order_by(Insight.batch_id.desc()).limit(HISTORY)
BEFORE = (
    sa.select(
        sa.func.coalesce(Insight.window_from, Insight.created_at, type_=Insight.created_at.type), Insight.evidence
    )
    .where(MINE)
    .order_by(Insight.batch_id.desc())
    .limit(1)
)
FIRST_HOUR = sa.select(sa.func.min(HourCount.hour_at)).where(HourCount.project_id == sa.bindparam("project"))
EVENTS_OF_HOURS = sa.select(HourCount.hour_at, HourCount.events).where(
    HourCount.project_id == sa.bindparam("project"), HourCount.hour_at.in_(sa.bindparam("hours", expanding=True))
)
TIMEZONE = sa.select(Project.timezone).where(Project.id == sa.bindparam("project"))


def read_context(session: Session, batch: Batch) -> BatchContext:
    """The batch, and what it is compared with."""
    seen = read_seen(session, batch)
    opened, sealed = batch.opened_at, batch.sealed_at or batch.opened_at
    now = seen.digest(
        events=batch.event_count,
        window_seconds=window_seconds(seen, opened_us=clock.to_us(opened), sealed_us=clock.to_us(sealed)),
    )
    return BatchContext(
        seen=seen,
        now=now,
        before=read_history(session, batch),
        hours=read_hours(session, batch, hours_of(seen, batch)),
        told=read_told(session, batch),
        timezone=timezone_of(session, batch.project_id),
    )


def read_seen(session: Session, batch: Batch) -> Seen:
    query = OF_BATCH
    if batch.event_count > MOST_READ:
        # the n-th of an order that has nothing to do with the content, the same each time; numbered and chosen in one pass
        number = sa.func.row_number().over(order_by=(Event.received_at, Event.event_id)).label("number")
        numbered = query.add_columns(number).subquery()
        query = sa.select(*list(numbered.c)[: len(COLUMNS)]).where(numbered.c.number % every(batch.event_count) == 0)
    rows = session.connection().execute(query, {"batch": batch.id}, execution_options={"yield_per": 500})
    return add_up(map(Line._make, chain.from_iterable(rows.partitions())))


def every(events: int) -> int:
    """Which part is read: 1 for all."""
    return -(-events // MOST_READ)


def read_history(session: Session, batch: Batch) -> list[Digest]:
    """The digests of the batches before this one, the newest first. Ids of batches are in the order of their making."""
    found = session.connection().scalars(DIGESTS, {"project": batch.project_id, "batch": batch.id})
    return [digest for stored in found if (digest := load(stored)) is not None and digest.read]


def read_told(session: Session, batch: Batch) -> Told | None:
    """What was found in the batch before this one. None for the first."""
    row = session.connection().execute(BEFORE, {"project": batch.project_id, "batch": batch.id}).first()
    return None if row is None else Told(row[0], row[1].get("findings", ()))


def hours_of(seen: Seen, batch: Batch) -> dict[int, int]:
    """Start of an hour in microseconds -> events of the batch in it, the fullest hours, scaled up where a sample was read."""
    scale = batch.event_count / seen.read if seen.read else 1.0
    fullest = sorted(seen.hours.items(), key=lambda item: (-item[1], item[0]))[:HOURS]
    return {hour: round(events * scale) for hour, events in sorted(fullest)}


def read_hours(session: Session, batch: Batch, hours: Mapping[int, int]) -> Sequence[HourPast]:
    """Each hour of the batch on the days before: by primary key. A day of which nothing is known counts as 0 once there
    are counts of an earlier one.
    """
    first = session.connection().scalar(FIRST_HOUR, {"project": batch.project_id})
    if first is None:
        return ()
    wanted = {hour: [clock.from_us(hour) - timedelta(days=day) for day in range(DAYS + 1)] for hour in hours}
    at = {moment for moments in wanted.values() for moment in moments}
    known = dict(session.connection().execute(EVENTS_OF_HOURS, {"project": batch.project_id, "hours": list(at)}).all())
    past = []
    for hour, (today, *earlier) in wanted.items():
        days = [known.get(moment, 0) for moment in earlier if moment >= first]
        past.append(HourPast(hour, known.get(today, 0), hours[hour], days))
    return past


def timezone_of(session: Session, project_id: int) -> ZoneInfo:
    name = session.connection().scalar(TIMEZONE, {"project": project_id})
    try:
        return ZoneInfo(name or "UTC")
    except ZoneInfoNotFoundError:  # this machine's zones differ from those of the one where the project was made
        return ZoneInfo("UTC")
