"""Users: how many are active, new and coming back, how long they stay, and who does the most."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import DAY, Periods
from quadra.analytics.questions.presence import NOW, THEN, Counted, Presence, counted
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, before, filled, iso, share
from quadra.core.api.openapi import Time
from quadra.core.api.params import within
from quadra.core.typed import Typed
from quadra.warehouse.query.span import Range

ACTIVE_DAYS = {"dau": 1, "wau": 7, "mau": 30}
"""Calendar days that end with the last one of the range."""
CAME_BACK_DAYS = (1, 7, 30)


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


PERIODS, USERS = Typed(list[PeriodUsers]), Typed(list[ActiveUser])


def answer(events: Snapshot, asked: Params) -> UsersAnswer:
    question = asked.question
    days = replace(question, interval="day").periods()
    rows = events.rows(counts(asked))
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["part"], []).append(row)
    now, then = counted(rows, NOW), counted(rows, THEN)
    new = {row["place"]: row["a"] for row in parts.get("new", [])}
    back = {row["place"]: row["a"] for row in parts.get("back", [])}
    active = ({"period": row["place"], "users": row["a"]} for row in parts.get("active", []))
    dau, wau, mau = (parts["latest"][0][name] for name in "abc")
    by_day, by_week, by_month = (
        _by_period(new, days, replace(question, interval=unit).periods()) for unit in ("day", "week", "month")
    )
    return UsersAnswer(
        **events.measures(),
        totals=_totals(now, then),
        dau=dau,
        wau=wau,
        mau=mau,
        stickiness=dau / mau if mau else 0.0,
        new=NewUsers(by_day=by_day, by_week=by_week, by_month=by_month),
        active_by_day=filled(PERIODS, days, active, ("users",)),
        retention=_retention(new, back, days),
        sessions=UsersSessions(
            count=now.visits,
            average_seconds=now.average_seconds,
            previous=Visits(count=then.visits, average_seconds=then.average_seconds),
        ),
        users=USERS.convert([_shown(row) for row in parts.get("person", [])]),
    )


def counts(asked: Params) -> Statement:
    """Rows (part, place, a, b, c, person), all from one pass over who was there on which day; -1 is before the range."""
    question, params = asked.question, Parameters()
    days = replace(question, interval="day").periods()
    presence = Presence(question, before(question), days)
    latest = ", ".join(f"count(*) FILTER (last_us >= {start})" for start in _starts(question))
    nobody = "CAST(NULL AS VARCHAR) AS person"
    sql = f"""
        WITH {presence.sql(params)}, days AS MATERIALIZED (
            SELECT DISTINCT person, period AS day FROM presence
        ), began AS MATERIALIZED (
            SELECT person, min(day) AS day FROM days GROUP BY person HAVING min(day) >= 0
        )
        SELECT *, {nobody} FROM ({presence.counted_sql()})
        UNION ALL SELECT 'latest', 0, {latest}, {nobody} FROM people
        UNION ALL SELECT 'new', day, count(*), 0, 0, {nobody} FROM began GROUP BY day
        UNION ALL SELECT 'active', day, count(*), 0, 0, {nobody} FROM days WHERE day >= 0 GROUP BY day
        UNION ALL SELECT 'back', days.day - began.day AS later, count(*), 0, 0, {nobody}
            FROM days JOIN began USING (person) WHERE later IN {CAME_BACK_DAYS} GROUP BY later
        UNION ALL (SELECT 'person', 0, events, first_us, last_us, person FROM people WHERE events > 0
            ORDER BY events DESC, last_us DESC, person LIMIT {params.add(asked.limit)})"""
    return Statement(sql, params)


def _starts(question: Question) -> list[int]:
    """Of the days at whose end somebody counts as active. Whoever was there last after such a start, was there."""
    calendar = question.calendar
    last = calendar.day_of(question.end_us - 1)
    return [calendar.midnight(last - (days - 1) * DAY) for days in ACTIVE_DAYS.values()]


def _totals(now: Counted, then: Counted) -> UsersTotals:
    one, other = now.people, then.people
    previous = PeopleTotals(users=other.total, active=other.active, new=other.new, returning=other.returning)
    return UsersTotals(users=one.total, active=one.active, new=one.new, returning=one.returning, previous=previous)


def _by_period(new: dict[int, int], days: Periods, periods: Periods) -> list[PeriodUsers]:
    """People by the period of their first event ever; of the first period only those who came in the range."""
    counts: Counter[int] = Counter()
    for day, count in new.items():
        counts[periods.index(days.starts[day])] += count
    return filled(PERIODS, periods, ({"period": at, "users": count} for at, count in counts.items()), ("users",))


def _retention(new: dict[int, int], back: dict[int, int], days: Periods) -> list[CameBack]:
    """Of those who were new in the range, who came back on the very day that many days later, if that day is in it too."""
    found = []
    for later in CAME_BACK_DAYS:
        whole = sum(count for day, count in new.items() if day + later < len(days))
        returned = back.get(later, 0)
        found.append(CameBack(day=later, people=whole, returned=returned, rate=share(returned, whole)))
    return found


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    seen = {"first_seen": iso(row["b"]), "last_seen": iso(row["c"])}
    return {"user_id": row["person"], "events": row["a"], **seen}


LENS = Lens(
    path="users",
    title="Users",
    says="How many are active, new and coming back, how long they stay, and who does the most. `dau`, `wau`, `mau` are of the "
    "1, 7, 30 days that end with the last one of the range; `stickiness` is DAU / MAU, from 0 to 1.",
    group=OVERVIEW,
    Params=Params,
    Answer=UsersAnswer,
    range=lambda asked: Range(None, asked.question.end_us),
    statements=lambda asked: [counts(asked)],
    answer=answer,
)
