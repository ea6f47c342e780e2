"""Recorded journeys: how often each step is taken, how long it takes, and the ways that sessions take most often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import asking, field, fitting, share
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.ingest.kinds import UNNUMBERED

LIMIT, LIMIT_MOST = 20, 500
STEPS_SHOWN = 50
"""Of one way: what comes later is cut off."""
END = "event_type = 'journey_completed'"
TYPE, STEP, ORDER = field("journey_type"), field("step_name"), f"TRY_CAST({field('step_order')} AS BIGINT)"


@dataclass(frozen=True)
class Journeys:
    question: Question
    type: str | None
    limit: int


def read(given: Given, project: Project) -> Journeys:
    journeys = Journeys(
        read_question(given, project), given.text("journey_type"), given.number("limit", LIMIT, 1, LIMIT_MOST)
    )
    given.check()
    return journeys


def answer(runtime: Runtime, journeys: Journeys) -> dict[str, Any]:
    with asking(runtime, journeys.question) as ask:
        return ask.told(
            totals=[_total(row) for row in ask.rows(*_totals_sql(journeys))],
            journeys=ask.rows(*_steps_sql(journeys)),
            paths=ask.rows(*_ways_sql(journeys)),
        )


def _total(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "completion_rate": share(row["completed"], row["sessions"])}


def _taken(journeys: Journeys, params: Parameters) -> str:
    """The relations `taken`, the steps and ends of runs, and `ended`, the runs that were completed."""
    where = fitting(journeys.question, params, kind="journey", people=True)
    if journeys.type is not None:
        where += f" AND {TYPE} = {params.add(journeys.type)}"
    return f"""
        taken AS (
            SELECT {TYPE} AS journey_type, {STEP} AS step, {ORDER} AS place, session_id, occurred_us AS us, event_id,
                duration_ms / 1000 AS seconds, {END} AS ends, {END} AND {ORDER} = {UNNUMBERED} AS nameless
            FROM events WHERE {where} AND NOT ({END} AND success IS FALSE)
        ), ended AS (
            SELECT DISTINCT journey_type, session_id, true AS completed FROM taken WHERE ends
        )"""


def _totals_sql(journeys: Journeys) -> tuple[str, Parameters]:
    params = Parameters()
    sql = f"""
        WITH {_taken(journeys, params)}
        SELECT journey_type, count(DISTINCT session_id) AS sessions,
            count(DISTINCT session_id) FILTER (ends) AS completed
        FROM taken GROUP BY journey_type ORDER BY sessions DESC, journey_type"""
    return sql, params


def _steps_sql(journeys: Journeys) -> tuple[str, Parameters]:
    params = Parameters()
    sql = f"""
        WITH {_taken(journeys, params)}, timed AS (
            SELECT *, coalesce(seconds, (lead(us) OVER run - us) / 1e6) AS lasted
            FROM taken WINDOW run AS (PARTITION BY journey_type, session_id ORDER BY us, place, event_id)
        )
        SELECT journey_type, step AS step_name, min(place) AS step_order, count(*) AS step_count,
            count(DISTINCT session_id) AS unique_sessions, favg(lasted) AS avg_time_in_step_seconds,
            count(DISTINCT session_id) FILTER (completed) AS completed_count
        FROM timed LEFT JOIN ended USING (journey_type, session_id) WHERE NOT nameless
        GROUP BY journey_type, step ORDER BY journey_type, step_order, step_name"""
    return sql, params


def _ways_sql(journeys: Journeys) -> tuple[str, Parameters]:
    """Neighbouring repeats of one step are one."""
    params = Parameters()
    sql = f"""
        WITH {_taken(journeys, params)}, told AS (
            SELECT *, lag(step) OVER (PARTITION BY journey_type, session_id ORDER BY us, place, event_id) AS previous
            FROM taken WHERE NOT nameless
        ), ways AS (
            SELECT journey_type, session_id, list(step ORDER BY us, place, event_id)[1:{STEPS_SHOWN}] AS steps
            FROM told WHERE previous IS DISTINCT FROM step GROUP BY ALL
        )
        SELECT journey_type, steps, count(*) AS sessions, count(completed) AS completed
        FROM ways LEFT JOIN ended USING (journey_type, session_id) GROUP BY journey_type, steps
        ORDER BY sessions DESC, journey_type, steps LIMIT {params.add(journeys.limit)}"""
    return sql, params
