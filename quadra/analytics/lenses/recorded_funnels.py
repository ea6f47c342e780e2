"""Recorded funnels: stages that senders record, who reached which, where runs stopped, how long it took.

People count (sessions where there is no user), each once in a stage. A run is one session of one of them: times are of runs.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct, structs

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import (
    Measured,
    Snapshot,
    Statement,
    field,
    number,
    share,
    where_clause,
)
from quadra.core.api.openapi import Time
from quadra.core.api.params import says, within
from quadra.ingest.kinds import UNNUMBERED

END = "event_type = 'funnel_completed'"
NAME, STAGE, ORDER = field("funnel_name"), field("stage"), f"TRY_CAST({field('stage_order')} AS BIGINT)"


class Params(Asked, kw_only=True, frozen=True):
    funnel_name: Annotated[str | None, says("Only this one.")] = None
    limit: Annotated[int, within(1, 500, "How many funnels to name.")] = 50


class ParamsOfOne(Params, kw_only=True, frozen=True):
    funnel_name: Annotated[str, says("Which one.", "checkout")]


class Stage(Struct, kw_only=True):
    stage: str
    stage_order: int
    users_reached: int
    users_completed: int
    users_stopped: int
    reached_rate: float
    conversion_rate: float
    drop_off_rate: float
    avg_time_to_stage_seconds: float | None
    avg_time_in_stage_seconds: float | None


class RecordedFunnel(Struct, kw_only=True):
    funnel_name: str
    stages: list[Stage]
    total_started: int
    total_completed: int
    overall_conversion_rate: float


class RecordedFunnels(Measured, kw_only=True):
    funnels: list[RecordedFunnel]


class OneRecordedFunnel(RecordedFunnel, kw_only=True):
    computed_at: Time
    rows_read: int
    elapsed_ms: float


def answer(events: Snapshot, asked: Params) -> RecordedFunnels:
    funnels = _funnels(events, asked)
    return RecordedFunnels(**events.measures(), funnels=funnels)


def answer_one(events: Snapshot, asked: ParamsOfOne) -> OneRecordedFunnel:
    """The funnel that was asked for, also where nobody began it."""
    found = _funnels(events, asked)
    one = found[0] if found else _funnel(asked.funnel_name, 0, 0, [])
    return OneRecordedFunnel(**structs.asdict(one), **events.measures())


def _funnels(events: Snapshot, asked: Params) -> list[RecordedFunnel]:
    """The most begun first."""
    by_funnel: dict[str, list[dict[str, Any]]] = {}
    for row in events.rows(stages(asked)):
        by_funnel.setdefault(row["funnel"], []).append(row)
    return [
        _funnel(row["funnel"], row["started"], row["completed"], by_funnel.get(row["funnel"], []))
        for row in events.rows(totals(asked))
    ]


def _funnel(name: str, started: int, completed: int, rows: list[dict[str, Any]]) -> RecordedFunnel:
    return RecordedFunnel(
        funnel_name=name,
        stages=[_stage(row, started) for row in rows],
        total_started=started,
        total_completed=completed,
        overall_conversion_rate=share(completed, started),
    )


def _stage(row: dict[str, Any], started: int) -> Stage:
    reached, went_on = row["reached"], row["went_on"]
    return Stage(
        stage=row["stage"],
        stage_order=row["place"],
        users_reached=reached,
        users_completed=went_on,
        users_stopped=reached - went_on,
        reached_rate=share(reached, started),
        conversion_rate=share(went_on, reached),
        drop_off_rate=share(reached - went_on, reached),
        avg_time_to_stage_seconds=row["to_stage"],
        avg_time_in_stage_seconds=row["in_stage"],
    )


def _taken(asked: Params, params: Parameters) -> str:
    """The relations `told`, the events with whoever's run they are of; `arrivals`, the first at each stage of a run;
    `places`, the order of the stages; `ended`, who completed the funnel.

    A funnel whose senders never say that a run ended, well or badly, is completed by reaching its last stage.
    """
    where = where_clause(asked.question, params, kind="funnel", bots=False)
    if asked.funnel_name is not None:
        where += f" AND {NAME} = {params.add(asked.funnel_name)}"
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
            SELECT funnel, stage, place FROM places JOIN (SELECT funnel, max(place) AS place FROM places GROUP BY funnel)
            USING (funnel, place) ANTI JOIN concluded USING (funnel)
        ), ended AS (
            SELECT funnel, actor FROM told WHERE ends
            UNION
            SELECT funnel, actor FROM arrivals SEMI JOIN last_stages USING (funnel, stage)
        )"""


def totals(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        WITH {_taken(asked, params)}
        SELECT funnel, count(DISTINCT actor) AS started, count(DISTINCT ended.actor) AS completed
        FROM told LEFT JOIN ended USING (funnel, actor)
        GROUP BY funnel ORDER BY started DESC, funnel LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def stages(asked: Params) -> Statement:
    """Rows (funnel, stage, place, reached, went on, seconds to it, seconds in it), in the order of the stages."""
    params = Parameters()
    sql = f"""
        WITH {_taken(asked, params)}, reached AS (
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
    return Statement(sql, params)


SAYS = (
    "People (sessions where there is no user) count once in a stage. `users_completed` went on to a later stage or to the end; "
    "`conversion_rate` and `drop_off_rate` are of those who reached the stage, `reached_rate` of all who began; per cent."
)
LENS = Lens(
    path="user/funnels",
    title="Recorded funnels",
    says=SAYS,
    group=RECORDED,
    Params=Params,
    Answer=RecordedFunnels,
    statements=lambda asked: [stages(asked), totals(asked)],
    answer=answer,
)
LENS_OF_ONE = Lens(
    path="user/funnels/{funnel_name}/analytics",
    title="One recorded funnel",
    says=SAYS,
    group=RECORDED,
    Params=ParamsOfOne,
    Answer=OneRecordedFunnel,
    statements=lambda asked: [stages(asked), totals(asked)],
    answer=answer_one,
)
