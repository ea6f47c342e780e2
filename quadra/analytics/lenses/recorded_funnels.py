"""Recorded funnels: stages as senders track them, who reached which, where runs stopped, how long it took.

People count (sessions where there is no user), each once in a stage. A run is one session of one of them: times are of runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, field, fitting, number, share
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.ingest.kinds import UNNUMBERED

LIMIT, LIMIT_MOST = 50, 500
END = "event_type = 'funnel_completed'"
NAME, STAGE, ORDER = field("funnel_name"), field("stage"), f"TRY_CAST({field('stage_order')} AS BIGINT)"


@dataclass(frozen=True)
class Recorded:
    question: Question
    name: str | None
    limit: int


def read(given: Given, project: Project) -> Recorded:
    recorded = Recorded(
        read_question(given, project), given.text("funnel_name"), given.number("limit", LIMIT, 1, LIMIT_MOST)
    )
    given.check()
    return recorded


def answer(runtime: Runtime, recorded: Recorded) -> dict[str, Any]:
    with asking(runtime, recorded.question) as ask:
        return ask.told(funnels=_funnels(ask, recorded))


def answer_one(runtime: Runtime, recorded: Recorded) -> dict[str, Any]:
    """The funnel that was asked for, also where nobody began it."""
    with asking(runtime, recorded.question) as ask:
        found = _funnels(ask, recorded)
        return ask.told(**(found[0] if found else _funnel(recorded.name or "", 0, 0, [])))


def _funnels(ask: Asking, recorded: Recorded) -> list[dict[str, Any]]:
    """The most begun first."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in ask.rows(*_stages_sql(recorded)):
        stages.setdefault(row["funnel"], []).append(row)
    return [
        _funnel(row["funnel"], row["started"], row["completed"], stages.get(row["funnel"], []))
        for row in ask.rows(*_totals_sql(recorded))
    ]


def _funnel(name: str, started: int, completed: int, stages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "funnel_name": name,
        "stages": [_stage(row, started) for row in stages],
        "total_started": started,
        "total_completed": completed,
        "overall_conversion_rate": share(completed, started),
    }


def _stage(row: dict[str, Any], started: int) -> dict[str, Any]:
    reached, went_on = row["reached"], row["went_on"]
    return {
        "stage": row["stage"],
        "stage_order": row["place"],
        "users_reached": reached,
        "users_completed": went_on,
        "users_stopped": reached - went_on,
        "reached_rate": share(reached, started),
        "conversion_rate": share(went_on, reached),
        "drop_off_rate": share(reached - went_on, reached),
        "avg_time_to_stage_seconds": row["to_stage"],
        "avg_time_in_stage_seconds": row["in_stage"],
    }


def _taken(recorded: Recorded, params: Parameters) -> str:
    """The relations `told`, the events with whoever's run they are of; `arrivals`, the first at each stage of a run;
    `places`, the order of the stages; `ended`, who completed the funnel.

    A funnel whose senders never say that a run ended, well or badly, is completed by reaching its last stage.
    """
    where = fitting(recorded.question, params, kind="funnel", people=True)
    if recorded.name is not None:
        where += f" AND {NAME} = {params.add(recorded.name)}"
    first = "(us, event_id)"
    return f"""
        taken AS (
            SELECT {NAME} AS funnel, {STAGE} AS stage, {ORDER} AS place, person, session_id, occurred_us AS us, event_id,
                {number("time_to_stage_seconds")} AS to_stage, {number("time_in_stage_seconds")} AS in_stage,
                {END} AS ends, {END} AND {ORDER} = {UNNUMBERED} AS nameless
            FROM events
            WHERE {where} AND (person IS NOT NULL OR session_id IS NOT NULL) AND NOT ({END} AND success IS FALSE)
        ), known AS (
            SELECT funnel, session_id, arg_min(person, {first}) AS person FROM taken
            WHERE person IS NOT NULL AND session_id IS NOT NULL GROUP BY funnel, session_id
        ), told AS (
            SELECT taken.* EXCLUDE (person),
                coalesce('p' || coalesce(taken.person, known.person), 's' || taken.session_id) AS actor
            FROM taken LEFT JOIN known USING (funnel, session_id)
        ), arrivals AS (
            SELECT funnel, actor, session_id, stage, min(us) AS us, min(place) AS place,
                arg_min(to_stage, {first}) FILTER (to_stage IS NOT NULL) AS to_stage,
                arg_min(in_stage, {first}) FILTER (in_stage IS NOT NULL) AS in_stage
            FROM told WHERE NOT nameless GROUP BY ALL
        ), places AS (
            SELECT funnel, stage, min(place) AS place FROM arrivals GROUP BY funnel, stage
        ), concluded AS (
            SELECT DISTINCT {NAME} AS funnel FROM events WHERE {where} AND {END}
        ), last_stages AS (
            SELECT places.* FROM places JOIN (SELECT funnel, max(place) AS place FROM places GROUP BY funnel)
            USING (funnel, place) ANTI JOIN concluded USING (funnel)
        ), ended AS (
            SELECT funnel, actor FROM told WHERE ends
            UNION
            SELECT funnel, actor FROM arrivals SEMI JOIN last_stages USING (funnel, stage)
        )"""


def _totals_sql(recorded: Recorded) -> tuple[str, Parameters]:
    params = Parameters()
    sql = f"""
        WITH {_taken(recorded, params)}
        SELECT funnel, count(DISTINCT actor) AS started, count(DISTINCT ended.actor) AS completed
        FROM told LEFT JOIN ended USING (funnel, actor)
        GROUP BY funnel ORDER BY started DESC, funnel LIMIT {params.add(recorded.limit)}"""
    return sql, params


def _stages_sql(recorded: Recorded) -> tuple[str, Parameters]:
    """Rows (funnel, stage, place, reached, went on, seconds to it, seconds in it), in the order of the stages."""
    params = Parameters()
    sql = f"""
        WITH {_taken(recorded, params)}, reached AS (
            SELECT DISTINCT funnel, actor, stage, places.place FROM arrivals JOIN places USING (funnel, stage)
        ), furthest AS (
            SELECT funnel, actor, max(place) AS place FROM reached GROUP BY funnel, actor
        ), counted AS (
            SELECT funnel, stage, reached.place, count(*) AS reached,
                count(*) FILTER (furthest.place > reached.place OR ended.actor IS NOT NULL) AS went_on
            FROM reached JOIN furthest USING (funnel, actor) LEFT JOIN ended USING (funnel, actor)
            GROUP BY ALL
        ), met AS (
            SELECT funnel, actor, session_id, stage, us, place, to_stage, in_stage FROM arrivals
            UNION ALL
            SELECT funnel, actor, session_id, NULL, min(us), {UNNUMBERED}, NULL, NULL FROM told WHERE ends GROUP BY ALL
        ), timed AS (
            SELECT funnel, stage, coalesce(to_stage, (us - first_value(us) OVER run) / 1e6) AS to_stage,
                coalesce(in_stage, (lead(us) OVER run - us) / 1e6) AS in_stage
            FROM met WINDOW run AS (PARTITION BY funnel, actor, session_id ORDER BY us, place, stage NULLS LAST)
        ), lasted AS (
            SELECT funnel, stage, favg(to_stage) AS to_stage, favg(in_stage) AS in_stage FROM timed
            WHERE stage IS NOT NULL GROUP BY funnel, stage
        )
        SELECT counted.*, to_stage, in_stage FROM counted JOIN lasted USING (funnel, stage)
        ORDER BY funnel, place, stage"""
    return sql, params
