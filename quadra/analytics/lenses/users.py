"""Users: how many are active, new and coming back, how long they stay, and who does the most."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import DAY, Periods
from quadra.analytics.questions.presence import Counted, Days, Presence, blocks, statements
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, before, filled, iso, share, where_clause
from quadra.core.api.openapi import Time
from quadra.core.api.params import within
from quadra.core.typed import Typed
from quadra.warehouse.query.span import Range

ACTIVE_DAYS = {"dau": 1, "wau": 7, "mau": 30}
"""Calendar days that end with the last one of the range."""
CAME_BACK_DAYS = (1, 7, 30)
SHOWN = ("person", "first_us", "last_us", "events")


class Params(Asked, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many users to name.")] = 100


class PeopleTotals(Struct, kw_only=True):
    users: int
    active: int
    new: int
    returning: int


class UsersTotals(PeopleTotals, kw_only=True):
    previous: PeopleTotals


class PeriodUsers(Struct, kw_only=True):
    at: Time
    users: int


class NewUsers(Struct, kw_only=True):
    by_day: list[PeriodUsers]
    by_week: list[PeriodUsers]
    by_month: list[PeriodUsers]


class CameBack(Struct, kw_only=True):
    day: int
    people: int
    returned: int
    rate: float


class Visits(Struct, kw_only=True):
    count: int
    average_seconds: float


class UsersSessions(Visits, kw_only=True):
    previous: Visits


class ActiveUser(Struct, kw_only=True):
    user_id: str
    events: int
    first_seen: Time
    last_seen: Time


class UsersAnswer(Measured, kw_only=True):
    totals: UsersTotals
    dau: int
    wau: int
    mau: int
    stickiness: float
    new: NewUsers
    active_by_day: list[PeriodUsers]
    retention: list[CameBack]
    sessions: UsersSessions
    users: list[ActiveUser]


PERIODS = Typed(list[PeriodUsers])


class _Found(Struct):
    then: Counted
    now: Counted
    latest: list[int]
    """Of the days at whose end somebody counts as active."""
    new: list[int]
    """Of each day, people whose first event ever was on it."""
    active: list[int]
    back: list[int]
    """Of `CAME_BACK_DAYS`, new people who were there again."""
    users: list[tuple[str, int, int, int]]
    """Person, first and last seen, events."""


FOUND = Typed(_Found)


def answer(events: Snapshot, asked: Params) -> UsersAnswer:
    question = asked.question
    days = replace(question, interval="day").periods()
    depends = ("users", where_clause(question, Parameters(), people=True), question, asked.limit)
    found = events.kept(FOUND, depends, lambda: _found(events, asked, days))
    now, then = found.now, found.then
    dau, wau, mau = found.latest
    by_day, by_week, by_month = (
        _by_period(found.new, days, replace(question, interval=unit).periods()) for unit in ("day", "week", "month")
    )
    active = ({"period": day, "users": count} for day, count in enumerate(found.active))
    return UsersAnswer(
        **events.measures(),
        totals=_totals(now, then),
        dau=dau,
        wau=wau,
        mau=mau,
        stickiness=dau / mau if mau else 0.0,
        new=NewUsers(by_day=by_day, by_week=by_week, by_month=by_month),
        active_by_day=filled(PERIODS, days, active, ("users",)),
        retention=_retention(found.new, found.back, len(days)),
        sessions=UsersSessions(
            count=now.visits,
            average_seconds=now.average_seconds,
            previous=Visits(count=then.visits, average_seconds=then.average_seconds),
        ),
        users=[
            ActiveUser(user_id=person, events=count, first_seen=iso(first_us) or "", last_seen=iso(last_us) or "")
            for person, first_us, last_us, count in found.users
        ],
    )


def _found(events: Snapshot, asked: Params, days: Periods) -> _Found:
    question, earlier = asked.question, before(asked.question)
    presence, active = Presence(earlier, question), Days(question, days)
    latest = np.zeros(len(ACTIVE_DAYS), np.int64)
    new, back = np.zeros(len(days), np.int64), np.zeros(len(CAME_BACK_DAYS), np.int64)
    most: list[pa.Table] = []
    of_both = (replace(earlier, interval="day").periods(), days)
    for block in blocks(events, question, earlier, of_both):
        presence.add(block)
        latest += [np.count_nonzero(block.last_us >= start) for start in _starts(question)]
        who, seen = active.add(block)
        began = active.places.of(block.first_us)
        new += np.bincount(began[began >= 0], minlength=len(days))
        since = (seen - began[who])[began[who] >= 0]
        back += [np.count_nonzero(since == later) for later in CAME_BACK_DAYS]
        columns = (block.people, block.first_us, block.last_us, block.each(question))
        people = pa.table(dict(zip(SHOWN, columns, strict=True)))
        most = [_most(pa.concat_tables([*most, people]), asked.limit)]
    users = [tuple(row.values()) for table in most for row in table.to_pylist()]
    one, other = presence.counted()
    return _Found(one, other, latest.tolist(), new.tolist(), active.people.tolist(), back.tolist(), users)


def _most(people: pa.Table, limit: int) -> pa.Table:
    """Who did the most in the range."""
    people = people.filter(pc.greater(people["events"], 0))
    order = [("events", "descending"), ("last_us", "descending"), ("person", "ascending")]
    return people.take(pc.select_k_unstable(people, limit, order))


def _starts(question: Question) -> list[int]:
    """Of the days at whose end somebody counts as active. Whoever was there last after such a start, was there."""
    calendar = question.calendar
    last = calendar.day_of(question.end_us - 1)
    return [calendar.midnight(last - (days - 1) * DAY) for days in ACTIVE_DAYS.values()]


def _totals(now: Counted, then: Counted) -> UsersTotals:
    one, other = now.people, then.people
    previous = PeopleTotals(users=other.total, active=other.active, new=other.new, returning=other.returning)
    return UsersTotals(users=one.total, active=one.active, new=one.new, returning=one.returning, previous=previous)


def _by_period(new: list[int], days: Periods, periods: Periods) -> list[PeriodUsers]:
    """People by the period of their first event ever; of the first period only those who came in the range."""
    counts: Counter[int] = Counter()
    for day, count in enumerate(new):
        counts[periods.index(days.starts[day])] += count
    return filled(PERIODS, periods, ({"period": at, "users": count} for at, count in counts.items()), ("users",))


def _retention(new: list[int], back: list[int], days: int) -> list[CameBack]:
    """Of those who were new in the range, who came back on the very day that many days later, if that day is in it too."""
    found = []
    for later, returned in zip(CAME_BACK_DAYS, back, strict=True):
        whole = sum(new[: max(days - later, 0)])
        found.append(CameBack(day=later, people=whole, returned=returned, rate=share(returned, whole)))
    return found


LENS = Lens(
    path="users",
    title="Users",
    says="How many are active, new and coming back, how long they stay, and who does the most. `dau`, `wau`, `mau` are of the "
    "1, 7, 30 days that end with the last one of the range; `stickiness` is DAU / MAU, from 0 to 1.",
    group=OVERVIEW,
    Params=Params,
    Answer=UsersAnswer,
    range=lambda asked: Range(None, asked.question.end_us),
    statements=lambda asked: statements(asked.question, before(asked.question).start_us),
    answer=answer,
)
