"""Surveys: NPS, CSAT and CES, with the distribution of the scores and the contexts in which people answered.

NPS is % promoters (9-10) minus % detractors (0-6); CSAT the share of 4 and 5 of 1 to 5; CES the mean of 1 to 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, field, where_clause
from quadra.core.api.params import choice, within
from quadra.core.typed import Typed
from quadra.ingest.kinds import SCORES

SURVEY = field("survey_type")
CONTEXT = f"coalesce({field('context')}, '')"
MEASURES = f"""
    CASE {SURVEY}
        WHEN 'nps' THEN (count(*) FILTER (value >= 9) - count(*) FILTER (value <= 6)) * 100 / count(*)
        WHEN 'csat' THEN count(*) FILTER (value >= 4) * 100 / count(*)
        ELSE favg(value)
    END"""


MEASURED = f"count(*) AS responses, favg(value) AS mean, min(value) AS least, max(value) AS most, {MEASURES} AS measure"


class Params(Asked, kw_only=True, frozen=True):
    survey_type: Annotated[str | None, choice(SCORES, "Only this one.")] = None
    context_limit: Annotated[int, within(1, 200, "How many contexts to name.")] = 25


class SurveyNumbers(Struct, kw_only=True):
    """With the one measure that the survey has."""

    total_responses: int
    avg_score: float
    min_score: float
    max_score: float
    nps: float | UnsetType = UNSET
    csat: float | UnsetType = UNSET
    ces: float | UnsetType = UNSET


class Survey(SurveyNumbers, kw_only=True):
    survey_type: str
    distribution: dict[str, int]
    by_context: dict[str, SurveyNumbers]


class Satisfaction(Measured, kw_only=True):
    satisfaction_metrics: list[Survey]


SURVEYS = Typed(list[Survey])


def surveys(asked: Params) -> Statement:
    params = Parameters()
    where = _where(asked, params)
    return Statement(f"SELECT {SURVEY} AS survey, {MEASURED} FROM events WHERE {where} GROUP BY survey", params)


def scores(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {SURVEY} AS survey, value, count(*) AS responses FROM events WHERE {_where(asked, params)}
        GROUP BY survey, value ORDER BY value"""
    return Statement(sql, params)


def contexts(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {SURVEY} AS survey, {CONTEXT} AS context, {MEASURED} FROM events WHERE {_where(asked, params)}
        GROUP BY survey, context
        QUALIFY row_number() OVER (PARTITION BY survey ORDER BY responses DESC, context) <= {asked.context_limit}
        ORDER BY responses DESC, context"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> Satisfaction:
    by_survey = {row["survey"]: row for row in events.rows(surveys(asked))}
    by_score, by_context = events.rows(scores(asked)), events.rows(contexts(asked))
    shown = SURVEYS.convert(
        [
            {
                "survey_type": survey,
                **_measured(survey, by_survey[survey]),
                "distribution": _distribution(survey, by_score),
                "by_context": {row["context"]: _measured(survey, row) for row in by_context if row["survey"] == survey},
            }
            for survey in SCORES
            if survey in by_survey
        ]
    )
    return Satisfaction(**events.measures(), satisfaction_metrics=shown)


def _where(asked: Params, params: Parameters) -> str:
    where = where_clause(asked.question, params, kind="survey", bots=False)
    return where if asked.survey_type is None else f"{where} AND {SURVEY} = {params.add(asked.survey_type)}"


def _measured(survey: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "total_responses": row["responses"],
        "avg_score": row["mean"],
        "min_score": row["least"],
        "max_score": row["most"],
        survey: row["measure"],
    }


def _distribution(survey: str, by_score: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Every whole score of the scale, and whatever was given between them."""
    low, high = SCORES[survey]
    given = {row["value"]: row["responses"] for row in by_score if row["survey"] == survey}
    return {
        f"{int(score) if score.is_integer() else score}": given.get(score, 0)
        for score in sorted({*map(float, range(low, high + 1)), *given})
    }


LENS = Lens(
    path="user/satisfaction/metrics",
    title="Satisfaction",
    says="NPS (-100 to 100), CSAT (per cent) and CES (mean), with every score of the scale and the contexts of the answers.",
    group=RECORDED,
    Params=Params,
    Answer=Satisfaction,
    statements=lambda asked: [surveys(asked), scores(asked), contexts(asked)],
    answer=answer,
)
