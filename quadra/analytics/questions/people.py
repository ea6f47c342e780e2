"""How many people there are: ever, in the range, for the first time in it."""

from __future__ import annotations

from typing import Any

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Asking, fitting


def counted_people(ask: Asking, question: Question) -> dict[str, Any]:
    """Of a look at all that is before the end of the range: `total`, `active`, `new`, `returning`."""
    params = Parameters()
    (found,) = ask.rows(
        f"""
        SELECT count(*) AS total, count(*) FILTER (last_us >= {question.start_us}) AS active,
            count(*) FILTER (first_us >= {question.start_us}) AS new,
            count(*) FILTER (last_us >= {question.start_us} AND first_us < {question.start_us}) AS returning
        FROM (
            SELECT min(occurred_us) AS first_us, max(occurred_us) AS last_us FROM events
            WHERE occurred_us < {question.end_us} AND {people(question, params)} GROUP BY person
        )""",
        params,
    )
    return found


def people(question: Question, params: Parameters) -> str:
    """The condition that an event is somebody's who counts."""
    return f"person IS NOT NULL AND {fitting(question, params, people=True)}"
