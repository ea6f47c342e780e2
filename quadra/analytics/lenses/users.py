"""Users: how many are active, new and coming back, how long they stay, and who does the most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import DAY, Periods
from quadra.analytics.questions.presence import NOW, THEN, Counted, Presence, counted
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import asking, before, filled, iso, share
from quadra.core.given import Given
from quadra.core.runtime import Runtime

LIMIT, LIMIT_MOST = 100, 1_000
ACTIVE_DAYS = {"dau": 1, "wau": 7, "mau": 30}
"""Calendar days that end with the last one of the range."""
CAME_BACK_DAYS = (1, 7, 30)


@dataclass(frozen=True)
class Users:
    question: Question
    limit: int


def read(given: Given, project: Project) -> Users:
    users = Users(read_question(given, project), given.number("limit", LIMIT, 1, LIMIT_MOST))
    given.check()
    return users


def answer(runtime: Runtime, users: Users) -> dict[str, Any]:
    question = users.question
    days = replace(question, interval="day").periods()
    units = {unit: replace(question, interval=unit).periods() for unit in ("day", "week", "month")}
    with asking(runtime, question, ever=True) as ask:
        rows = ask.rows(*_sql(users, days))
        parts: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            parts.setdefault(row["part"], []).append(row)
        now, then = counted(rows, NOW), counted(rows, THEN)
        new = {row["place"]: row["a"] for row in parts.get("new", [])}
        active = dict(zip(ACTIVE_DAYS, (parts["latest"][0][name] for name in "abc"), strict=True))
        return ask.told(
            totals={**_totals(now), "previous": _totals(then)},
            **active,
            stickiness=active["dau"] / active["mau"] if active["mau"] else 0.0,
            new={f"by_{unit}": _by_period(new, days, periods) for unit, periods in units.items()},
            active_by_day=filled(
                days, ({"period": row["place"], "users": row["a"]} for row in parts.get("active", [])), ("users",)
            ),
            retention=_retention(new, {row["place"]: row["a"] for row in parts.get("back", [])}, days),
            sessions={**_sessions(now), "previous": _sessions(then)},
            users=[_shown(row) for row in parts.get("person", [])],
        )


def _sql(users: Users, days: Periods) -> tuple[str, Parameters]:
    """Rows (part, place, a, b, c, person), all from one pass over who was there on which day; -1 is before the range."""
    question, params = users.question, Parameters()
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
            ORDER BY events DESC, last_us DESC, person LIMIT {params.add(users.limit)})"""
    return sql, params


def _starts(question: Question) -> list[int]:
    """Of the days at whose end somebody counts as active. Whoever was there last after such a start, was there."""
    calendar = question.calendar
    last = calendar.day_of(question.end_us - 1)
    return [calendar.midnight(last - (days - 1) * DAY) for days in ACTIVE_DAYS.values()]


def _totals(found: Counted) -> dict[str, int]:
    return {"users": found.people["total"], **{name: found.people[name] for name in ("active", "new", "returning")}}


def _sessions(found: Counted) -> dict[str, Any]:
    return {"count": found.visits, "average_seconds": found.average_seconds}


def _by_period(new: dict[int, int], days: Periods, periods: Periods) -> list[dict[str, Any]]:
    """People by the period of their first event ever; of the first period only those who came in the range."""
    counts: Counter[int] = Counter()
    for day, count in new.items():
        counts[periods.index(days.starts[day])] += count
    return filled(periods, ({"period": at, "users": count} for at, count in counts.items()), ("users",))


def _retention(new: dict[int, int], back: dict[int, int], days: Periods) -> list[dict[str, Any]]:
    """Of those who were new in the range, who came back on the very day that many days later, if that day is in it too."""
    found = []
    for later in CAME_BACK_DAYS:
        whole = sum(count for day, count in new.items() if day + later < len(days))
        returned = back.get(later, 0)
        found.append({"day": later, "people": whole, "returned": returned, "rate": share(returned, whole)})
    return found


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    seen = {"first_seen": iso(row["b"]), "last_seen": iso(row["c"])}
    return {"user_id": row["person"], "events": row["a"], **seen}
