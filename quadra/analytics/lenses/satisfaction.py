"""Surveys: NPS, CSAT and CES, with the distribution of the scores and the contexts in which people answered.

NPS is the share of 9 and 10 less that of 0 to 6; CSAT the share of 4 and 5 of 1 to 5; CES the mean of 1 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import asking, field, fitting
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.ingest.kinds import SCORES

CONTEXTS, CONTEXTS_MOST = 25, 200
SURVEY = field("survey_type")
CONTEXT = f"coalesce({field('context')}, '')"
MEASURES = f"""
    CASE {SURVEY}
        WHEN 'nps' THEN (count(*) FILTER (value >= 9) - count(*) FILTER (value <= 6)) * 100 / count(*)
        WHEN 'csat' THEN count(*) FILTER (value >= 4) * 100 / count(*)
        ELSE favg(value)
    END"""


@dataclass(frozen=True)
class Satisfaction:
    question: Question
    survey: str | None
    contexts: int


def read(given: Given, project: Project) -> Satisfaction:
    satisfaction = Satisfaction(
        question=read_question(given, project),
        survey=given.choice("survey_type", tuple(SCORES), "") or None,
        contexts=given.number("context_limit", CONTEXTS, 1, CONTEXTS_MOST),
    )
    given.check()
    return satisfaction


def answer(runtime: Runtime, satisfaction: Satisfaction) -> dict[str, Any]:
    params = Parameters()
    where = fitting(satisfaction.question, params, kind="survey", people=True)
    if satisfaction.survey is not None:
        where += f" AND {SURVEY} = {params.add(satisfaction.survey)}"
    measured = (
        f"count(*) AS responses, favg(value) AS mean, min(value) AS least, max(value) AS most, {MEASURES} AS measure"
    )
    with asking(runtime, satisfaction.question) as ask:
        surveys = ask.rows(f"SELECT {SURVEY} AS survey, {measured} FROM events WHERE {where} GROUP BY survey", params)
        scores = ask.rows(
            f"SELECT {SURVEY} AS survey, value, count(*) AS responses FROM events WHERE {where}"
            " GROUP BY survey, value ORDER BY value",
            params,
        )
        contexts = ask.rows(
            f"""
            SELECT {SURVEY} AS survey, {CONTEXT} AS context, {measured} FROM events WHERE {where} GROUP BY survey, context
            QUALIFY row_number() OVER (PARTITION BY survey ORDER BY responses DESC, context) <= {satisfaction.contexts}
            ORDER BY responses DESC, context""",
            params,
        )
        found = {row["survey"]: row for row in surveys}
        return ask.told(
            satisfaction_metrics=[
                {
                    "survey_type": survey,
                    **_measured(survey, found[survey]),
                    "distribution": _distribution(survey, scores),
                    "by_context": {
                        row["context"]: _measured(survey, row) for row in contexts if row["survey"] == survey
                    },
                }
                for survey in SCORES
                if survey in found
            ]
        )


def _measured(survey: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "total_responses": row["responses"],
        "avg_score": row["mean"],
        "min_score": row["least"],
        "max_score": row["most"],
        survey: row["measure"],
    }


def _distribution(survey: str, scores: list[dict[str, Any]]) -> dict[str, int]:
    """Every whole score of the scale, and whatever was given between them."""
    low, high = SCORES[survey]
    given = {row["value"]: row["responses"] for row in scores if row["survey"] == survey}
    return {
        f"{int(score) if score.is_integer() else score}": given.get(score, 0)
        for score in sorted({*map(float, range(low, high + 1)), *given})
    }
