"""Users: how many are active, new and coming back, how long they stay, and who does the most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.given import Given
from quadra.analytics.matching import Parameters
from quadra.analytics.moment import Asking, asking, before, filled, iso, share, within
from quadra.analytics.people import counted_people, people
from quadra.analytics.periods import DAY
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
    with asking(runtime, question, ever=True) as ask:
        totals = _totals(ask, question)
        active = _active(ask, question)
        return ask.told(
            totals={**totals, "previous": _totals(ask, before(question))},
            **active,
            stickiness=active["dau"] / active["mau"] if active["mau"] else 0.0,
            new={f"by_{unit}": _new(ask, replace(question, interval=unit)) for unit in ("day", "week", "month")},
            active_by_day=_active_by_day(ask, replace(question, interval="day")),
            retention=_retention(ask, question),
            sessions={**visit_lengths(ask, question), "previous": visit_lengths(ask, before(question))},
            users=_most_active(ask, users),
        )


def _totals(ask: Asking, question: Question) -> dict[str, Any]:
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


def _new(ask: Asking, question: Question) -> list[dict[str, Any]]:
    """People by the period of their first event ever; of the first period only those who came in the range."""
    periods, params = question.periods(), Parameters()
    found = ask.rows(
        f"""
        SELECT {periods.index_sql("first_us")} AS period, count(*) AS users FROM (
            SELECT min(occurred_us) AS first_us FROM events WHERE {people(question, params)} GROUP BY person
        ) WHERE first_us >= {question.start_us} GROUP BY ALL""",
        params,
    )
    return filled(periods, found, ("users",))


def _active_by_day(ask: Asking, question: Question) -> list[dict[str, Any]]:
    periods, params = question.periods(), Parameters()
    where = f"{within(question.start_us, question.end_us)} AND {people(question, params)}"
    found = ask.rows(
        f"SELECT {periods.index_sql()} AS period, count(DISTINCT person) AS users FROM events WHERE {where} GROUP BY ALL",
        params,
    )
    return filled(periods, found, ("users",))


def _retention(ask: Asking, question: Question) -> list[dict[str, Any]]:
    """Of those who were new in the range, who came back on the very day that many days later, if that day is in it too."""
    days = replace(question, interval="day").periods()
    params = Parameters()
    later = ", ".join(
        f"count(*) FILTER (first + {day} < {len(days)}) AS people_{day}, "
        f"count(*) FILTER (list_contains(active, first + {day})) AS returned_{day}"
        for day in CAME_BACK_DAYS
    )
    (found,) = ask.rows(
        f"""
        SELECT {later} FROM (
            SELECT {days.index_sql("first_us")} AS first, active FROM (
                SELECT min(occurred_us) AS first_us,
                    list(DISTINCT {days.index_sql()}) FILTER (occurred_us >= {days.starts[0]}) AS active
                FROM events WHERE {people(question, params)} GROUP BY person
            ) WHERE first_us >= {question.start_us}
        )""",
        params,
    )
    return [
        {
            "day": day,
            "people": found[f"people_{day}"],
            "returned": found[f"returned_{day}"],
            "rate": share(found[f"returned_{day}"], found[f"people_{day}"]),
        }
        for day in CAME_BACK_DAYS
    ]


def _most_active(ask: Asking, users: Users) -> list[dict[str, Any]]:
    question, params = users.question, Parameters()
    inside = f"occurred_us >= {question.start_us}"
    found = ask.rows(
        f"""
        SELECT person AS user_id, count(*) FILTER ({inside}) AS events, min(occurred_us) AS first_us,
            max(occurred_us) AS last_us
        FROM events WHERE {people(question, params)} GROUP BY person HAVING events > 0
        ORDER BY events DESC, last_us DESC, person LIMIT {params.add(users.limit)}""",
        params,
    )
    return [
        {
            "user_id": row["user_id"],
            "events": row["events"],
            "first_seen": iso(row["first_us"]),
            "last_seen": iso(row["last_us"]),
        }
        for row in found
    ]
