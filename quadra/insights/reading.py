"""Read what an analysis needs: the events of a batch added up, the digests of those before it, its hours on earlier days.

Bounded: of a large batch an even sample is read, of the past a few kilobytes for each of a few batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.ingest.tables import Batch, Event
from quadra.insights.digest import Digest, load
from quadra.insights.history import BatchContext, HourPast, Told
from quadra.insights.seen import Line, Seen, add_up, add_up_columns
from quadra.insights.tables import HourCount, Insight
from quadra.insights.window import window_seconds
from quadra.warehouse.segments.sealed import BATCH_ROWS_MOST, SealedRows

MOST_READ = BATCH_ROWS_MOST
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
DIGESTS = (
    sa.select(Insight.batch_id, Insight.digest)
    .where(MINE)
    .order_by(Insight.batch_id.desc())
    .limit(sa.bindparam("most", type_=sa.Integer()))
)
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


class Past:
    """What batches of one project are compared with. Of batches that are analysed together each is part of the past of those
    after it, once `add` was told of it.
    """

    def __init__(self, session: Session, batches: Sequence[Batch]):
        """`batches` in the order of their making."""
        self._session = session
        self._project_id = batches[0].project_id
        self.timezone = timezone_of(session, self._project_id)
        given = {"project": self._project_id, "batch": batches[-1].id, "most": HISTORY + len(batches)}
        found = session.connection().execute(DIGESTS, given)
        self._digests: list[tuple[str, Digest | None]] = [(batch_id, load(stored)) for batch_id, stored in found]
        """The newest first."""
        self._told: dict[str, Told] = {}
        self._first_hour: datetime | None = session.connection().scalar(FIRST_HOUR, {"project": self._project_id})
        self._hours: dict[datetime, int] = {}

    def context(self, batch: Batch, seen: Seen) -> BatchContext:
        """The batch, and what it is compared with."""
        opened, sealed = batch.opened_at, batch.sealed_at or batch.opened_at
        now = seen.digest(
            events=batch.event_count,
            window_seconds=window_seconds(seen, opened_us=clock.to_us(opened), sealed_us=clock.to_us(sealed)),
        )
        before = [(batch_id, digest) for batch_id, digest in self._digests if batch_id < batch.id][:HISTORY]
        return BatchContext(
            seen=seen,
            now=now,
            before=[digest for _, digest in before if digest is not None and digest.read],
            hours=self._hours_of(hours_of(seen, batch)),
            told=self._told_before(batch, before[0][0] if before else None),
            timezone=self.timezone,
        )

    def add(self, batch: Batch, context: BatchContext, evidence: Mapping[str, Any]) -> None:
        """A batch that was analysed, and will be stored with those after it."""
        if any(batch_id == batch.id for batch_id, _ in self._digests):
            return  # another look at it
        self._digests.append((batch.id, context.now))
        self._digests.sort(key=itemgetter(0), reverse=True)
        began = clock.from_us(min(context.seen.occurred)) if context.seen.occurred else clock.now()
        self._told[batch.id] = Told(began, evidence.get("findings", ()))
        for hour_us, events in hours_of(context.seen, batch).items():
            hour = clock.from_us(hour_us)
            self._hours[hour] = self._hours.get(hour, 0) + events
            self._first_hour = min(self._first_hour or hour, hour)

    def _told_before(self, batch: Batch, before: str | None) -> Told | None:
        """What was found in the batch before this one. None for the first."""
        if before is None or before in self._told:
            return self._told.get(before or "")
        row = self._session.connection().execute(BEFORE, {"project": self._project_id, "batch": batch.id}).first()
        return None if row is None else Told(row[0], row[1].get("findings", ()))

    def _hours_of(self, hours: Mapping[int, int]) -> Sequence[HourPast]:
        """Each hour of the batch on the days before: by primary key. A day of which nothing is known counts as 0 once there
        are counts of an earlier one.
        """
        first = self._first_hour
        if first is None:
            return ()
        wanted = {hour: [clock.from_us(hour) - timedelta(days=day) for day in range(DAYS + 1)] for hour in hours}
        unknown = {moment for moments in wanted.values() for moment in moments if moment not in self._hours}
        if unknown:
            given = {"project": self._project_id, "hours": list(unknown)}
            self._hours |= dict.fromkeys(unknown, 0) | dict(
                self._session.connection().execute(EVENTS_OF_HOURS, given).all()
            )
        past = []
        for hour, (today, *earlier) in wanted.items():
            days = [self._hours[moment] for moment in earlier if moment >= first]
            past.append(HourPast(hour, self._hours[today], hours[hour], days))
        return past


def read_context(session: Session, batch: Batch) -> BatchContext:
    """One batch, and what it is compared with."""
    return Past(session, [batch]).context(batch, read_seen(session, batch))


def read_each(session: Session, sealed: SealedRows, batches: Sequence[Batch]) -> Iterator[Seen]:
    """The events of each batch, added up."""
    whole = sealed.each(session, [one for one in batches if one.event_count <= MOST_READ])
    for batch in batches:
        yield add_up_columns(next(whole)[1]) if batch.event_count <= MOST_READ else read_seen(session, batch)


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


def hours_of(seen: Seen, batch: Batch) -> dict[int, int]:
    """Start of an hour in microseconds -> events of the batch in it, the fullest hours, scaled up where a sample was read."""
    scale = batch.event_count / seen.read if seen.read else 1.0
    fullest = sorted(seen.hours.items(), key=lambda item: (-item[1], item[0]))[:HOURS]
    return {hour: round(events * scale) for hour, events in sorted(fullest)}


def timezone_of(session: Session, project_id: int) -> ZoneInfo:
    name = session.connection().scalar(TIMEZONE, {"project": project_id})
    try:
        return ZoneInfo(name or "UTC")
    except ZoneInfoNotFoundError:  # this machine's zones differ from those of the one where the project was made
        return ZoneInfo("UTC")
