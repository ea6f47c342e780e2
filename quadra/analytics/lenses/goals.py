"""Goals: how often each was reached, by how many of all visitors, and what that was worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec import Struct, structs

from quadra.analytics.kept.goals import goals_of
from quadra.analytics.questions.groups import VISITS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, before, compared, share
from quadra.analytics.visits.relation import Visits
from quadra.core.runtime import Runtime


class Params(Asked, kw_only=True, frozen=True):
    """Nothing beside what every question takes."""


class GoalNumbers(Struct, kw_only=True):
    conversions: int
    visitors: int
    """Who reached it."""
    conversion_rate: float
    revenue: float | None
    """Null where the goal has no property of its value."""


class ReachedGoal(GoalNumbers, kw_only=True):
    id: str
    name: str
    currency: str | None
    previous: GoalNumbers | None


class AllVisitors(Struct, kw_only=True):
    visitors: int
    """Whom the rates are of."""
    previous: int | None


class GoalsAnswer(Measured, kw_only=True):
    totals: AllVisitors
    goals: list[ReachedGoal]


def counted(asked: Params, question: Question) -> Statement:
    """One row: all visitors, and of each goal the events, the people, the worth."""
    params, question = Parameters(), replace(question, interval="whole")
    visits = Visits(question, question.periods(), None, asked.goals)
    columns = "".join(
        f", coalesce(sum(c{number}), 0)::BIGINT AS conversions_{number}, fsum(r{number}) AS revenue_{number}, "
        f"count(DISTINCT person) FILTER (c{number} > 0) AS visitors_{number}"
        for number in range(len(asked.goals))
    )
    return Statement(
        f"WITH {visits.sql(params)} SELECT count(DISTINCT person) AS visitors{columns} FROM visits", params
    )


def answer(events: Snapshot, asked: Params) -> GoalsAnswer:
    (now,) = events.rows(counted(asked, asked.question))
    then = None if asked.question.alone else events.rows(counted(asked, before(asked.question)))[0]
    goals = []
    for number, goal in enumerate(asked.goals):
        previous = None if then is None else _numbers(then, number, goal.value_property)
        numbers = structs.asdict(_numbers(now, number, goal.value_property))
        goals.append(ReachedGoal(id=goal.id, name=goal.name, currency=goal.currency, previous=previous, **numbers))
    totals = AllVisitors(visitors=now["visitors"], previous=None if then is None else then["visitors"])
    return GoalsAnswer(**events.measures(), totals=totals, goals=goals)


def _numbers(row: dict[str, Any], number: int, value_property: str | None) -> GoalNumbers:
    people = row[f"visitors_{number}"]
    return GoalNumbers(
        conversions=row[f"conversions_{number}"],
        visitors=people,
        conversion_rate=share(people, row["visitors"]),
        revenue=None if value_property is None else row[f"revenue_{number}"] or 0.0,
    )


def _statements(asked: Params) -> list[Statement]:
    beside = [] if asked.question.alone else [counted(asked, before(asked.question))]
    return [counted(asked, asked.question), *beside]


def load(runtime: Runtime, asked: Params) -> Params:
    return structs.replace(asked, goals=goals_of(runtime, asked.project.id))


LENS = Lens(
    path="goals",
    title="Goals reached",
    says="How often each goal was reached, by how many visitors, and what that was worth; filters as visits take them. "
    "Goals are made at /api/goals. Rates are in per cent.",
    group=VISITS,
    asks=Asks(intervals=(*INTERVALS, "whole"), compares=True),
    Params=Params,
    Answer=GoalsAnswer,
    range=lambda asked: compared(asked.question),
    load=load,
    statements=_statements,
    answer=answer,
)
