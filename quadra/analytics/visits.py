"""How many sessions there were and how long they took, for lenses that need no more of them than that.

`sessions` says where a session begins. A session's length is the sum of its stretches and of the pauses between them, so none
need be put together.
"""

from __future__ import annotations

from typing import Any

from quadra.analytics.matching import Parameters
from quadra.analytics.moment import Asking, within
from quadra.analytics.people import people
from quadra.analytics.question import Question
from quadra.analytics.sessions import GAP_US


def visit_lengths(ask: Asking, question: Question) -> dict[str, Any]:
    """`count` and `average_seconds`."""
    params = Parameters()
    (found,) = ask.rows(
        f"""
        SELECT count(*) FILTER (begins) AS count,
            coalesce((fsum(length) + coalesce(fsum(pause) FILTER (NOT begins), 0)) / count(*) FILTER (begins), 0) / 1e6
                AS average_seconds
        FROM (
            SELECT length, pause, coalesce(pause > {GAP_US}, true) AS begins FROM (
                SELECT last_us - first_us AS length,
                    first_us - lag(last_us) OVER (PARTITION BY person ORDER BY stretch) AS pause
                FROM (
                    SELECT person, occurred_us // {GAP_US} AS stretch, min(occurred_us) AS first_us, max(occurred_us) AS last_us
                    FROM events WHERE {within(question.start_us, question.end_us)} AND {people(question, params)}
                    GROUP BY person, stretch
                )
            )
        )""",
        params,
    )
    return found
