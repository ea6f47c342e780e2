"""Users: how many are active, new and coming back, how long they stay, and who does the most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.given import Given
from quadra.analytics.matching import Parameters
from quadra.analytics.moment import Asking, asking, before, filled, iso, share, within
from quadra.analytics.people import counted_people, people
from quadra.analytics.periods import DAY, Periods
from quadra.analytics.question import Question, read_question
from quadra.analytics.visits import visit_lengths
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
    earlier = before(question)
    days = replace(question, interval="day").periods()
    units = {unit: replace(question, interval=unit).periods() for unit in ("day", "week", "month")}
    with asking(runtime, question, ever=True) as ask:
        parts: dict[str, list[dict[str, Any]]] = {"totals": [], "new": [], "active": [], "back": [], "person": []}
        for row in ask.rows(*_sql(users, days)):
            parts[row["part"]].append(row)
        new = {row["place"]: row["a"] for row in parts["new"]}
        active = _active(ask, question)
        return ask.told(
            totals={**_totals(parts["totals"][0]), "previous": _before(ask, earlier)},
            **active,
            stickiness=active["dau"] / active["mau"] if active["mau"] else 0.0,
            new={f"by_{unit}": _by_period(new, days, periods) for unit, periods in units.items()},
            active_by_day=filled(
                days, ({"period": row["place"], "users": row["a"]} for row in parts["active"]), ("users",)
            ),
            retention=_retention(new, {row["place"]: row["a"] for row in parts["back"]}, days),
            sessions={**visit_lengths(ask, question), "previous": visit_lengths(ask, earlier)},
            users=[_shown(row) for row in parts["person"]],
        )


def _sql(users: Users, days: Periods) -> tuple[str, Parameters]:
    """Rows (part, place, person, a, b, c), all from one pass over who was there on which day; -1 is before the range."""
    question, params = users.question, Parameters()
    day = f"CASE WHEN occurred_us < {question.start_us} THEN -1 ELSE {days.index_sql()} END"
    nobody = "CAST(NULL AS VARCHAR) AS person"
    sql = f"""
        WITH days AS MATERIALIZED (
            SELECT person, {day} AS day, count(*) AS events, min(occurred_us) AS first_us, max(occurred_us) AS last_us
            FROM events WHERE {people(question, params)} GROUP BY ALL
        ), people AS MATERIALIZED (
            SELECT person, min(day) AS began, min(first_us) AS first_us, max(last_us) AS last_us,
                CAST(coalesce(sum(events) FILTER (day >= 0), 0) AS BIGINT) AS events
            FROM days GROUP BY person
        )
        SELECT 'totals' AS part, 0 AS place, {nobody}, count(*) AS a, count(*) FILTER (events > 0) AS b,
            count(*) FILTER (began >= 0) AS c
        FROM people
        UNION ALL SELECT 'new', began, {nobody}, count(*), 0, 0 FROM people WHERE began >= 0 GROUP BY began
        UNION ALL SELECT 'active', day, {nobody}, count(*), 0, 0 FROM days WHERE day >= 0 GROUP BY day
        UNION ALL SELECT 'back', day - began AS later, {nobody}, count(*), 0, 0
            FROM days JOIN people USING (person) WHERE began >= 0 AND day - began IN {CAME_BACK_DAYS} GROUP BY later
        UNION ALL (SELECT 'person', 0, person, events, first_us, last_us FROM people WHERE events > 0
            ORDER BY events DESC, last_us DESC, person LIMIT {params.add(users.limit)})"""
    return sql, params


def _totals(row: dict[str, Any]) -> dict[str, int]:
    return {"users": row["a"], "active": row["b"], "new": row["c"], "returning": row["b"] - row["c"]}


def _before(ask: Asking, question: Question) -> dict[str, Any]:
    found = counted_people(ask, question)
    return {"users": found.pop("total"), **found}


def _active(ask: Asking, question: Question) -> dict[str, int]:
    calendar = question.calendar
    last = calendar.day_of(question.end_us - 1)
    starts = {name: calendar.midnight(last - (days - 1) * DAY) for name, days in ACTIVE_DAYS.items()}
    params = Parameters()
    counts = ", ".join(
        f"count(DISTINCT person) FILTER (occurred_us >= {start}) AS {name}" for name, start in starts.items()
    )
    where = f"{within(min(starts.values()), question.end_us)} AND {people(question, params)}"
    (found,) = ask.rows(f"SELECT {counts} FROM events WHERE {where}", params)
    return found


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
