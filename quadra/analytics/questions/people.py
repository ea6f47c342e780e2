"""How many people there are: ever, in the range, for the first time in it."""

from __future__ import annotations

from msgspec import Struct

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Statement, where_clause
from quadra.core.typed import Typed

PEOPLE_MOST = 1_000
"""So many are named where somebody asks who they are."""


class UserNumbers(Struct, kw_only=True):
    total: int
    active: int
    new: int
    returning: int


class UserNumbersBeside(UserNumbers, kw_only=True):
    previous: UserNumbers


USER_NUMBERS = Typed(list[UserNumbers])


def counted_people(question: Question) -> Statement:
    """One row, of a snapshot of all that is before the end of the range: `total`, `active`, `new`, `returning`."""
    params = Parameters()
    sql = f"""
        SELECT count(*) AS total, count(*) FILTER (last_us >= {question.start_us}) AS active,
            count(*) FILTER (first_us >= {question.start_us}) AS new,
            count(*) FILTER (last_us >= {question.start_us} AND first_us < {question.start_us}) AS returning
        FROM (
            SELECT min(occurred_us) AS first_us, max(occurred_us) AS last_us FROM events
            WHERE occurred_us < {question.end_us} AND {where_clause(question, params, people=True)} GROUP BY person
        )"""
    return Statement(sql, params)
