"""Recorded journeys: how often each step is taken, how long it takes, and the ways that sessions take most often."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, field, share, where_clause
from quadra.core.api.params import says, within
from quadra.core.typed import Typed
from quadra.ingest.kinds import UNNUMBERED

STEPS_SHOWN = 50
"""Of one way: what comes later is cut off."""
END = "event_type = 'journey_completed'"
TYPE, STEP, ORDER = field("journey_type"), field("step_name"), f"TRY_CAST({field('step_order')} AS BIGINT)"


class Params(Asked, kw_only=True, frozen=True):
    journey_type: Annotated[str | None, says("Only this one.")] = None
    limit: Annotated[int, within(1, 500, "How many ways to name.")] = 20


class JourneyTotal(Struct, kw_only=True):
    journey_type: str
    sessions: int
    completed: int
    completion_rate: float


class JourneyStep(Struct, kw_only=True):
    journey_type: str
    step_name: str
    step_order: int
    step_count: int
    unique_sessions: int
    avg_time_in_step_seconds: float | None
    completed_count: int


class JourneyPath(Struct, kw_only=True):
    journey_type: str
    steps: list[str]
    sessions: int
    completed: int


class Journeys(Measured, kw_only=True):
    totals: list[JourneyTotal]
    journeys: list[JourneyStep]
    paths: list[JourneyPath]


TOTALS, STEPS, WAYS = Typed(list[JourneyTotal]), Typed(list[JourneyStep]), Typed(list[JourneyPath])


def answer(events: Snapshot, asked: Params) -> Journeys:
    rows = events.rows(totals(asked))
    return Journeys(
        totals=TOTALS.convert([{**row, "completion_rate": share(row["completed"], row["sessions"])} for row in rows]),
        journeys=events.structs(STEPS, steps(asked)),
        paths=events.structs(WAYS, ways(asked)),
        **events.measures(),
    )


def _taken(asked: Params, params: Parameters) -> str:
    """The relations `taken`, the steps and ends of runs, and `ended`, the runs that were completed."""
    where = where_clause(asked.question, params, kind="journey", bots=False)
    if asked.journey_type is not None:
        where += f" AND {TYPE} = {params.add(asked.journey_type)}"
    return f"""
        taken AS (
            SELECT {TYPE} AS journey_type, {STEP} AS step, {ORDER} AS place, session_id, occurred_us AS us, event_id,
                duration_ms / 1000 AS seconds, {END} AS ends, {END} AND {ORDER} = {UNNUMBERED} AS nameless
            FROM events WHERE {where} AND NOT ({END} AND success IS FALSE)
        ), ended AS (
            SELECT DISTINCT journey_type, session_id, true AS completed FROM taken WHERE ends
        )"""


def totals(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        WITH {_taken(asked, params)}
        SELECT journey_type, count(DISTINCT session_id) AS sessions,
            count(DISTINCT session_id) FILTER (ends) AS completed
        FROM taken GROUP BY journey_type ORDER BY sessions DESC, journey_type"""
    return Statement(sql, params)


def steps(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        WITH {_taken(asked, params)}, timed AS (
            SELECT *, coalesce(seconds, (lead(us) OVER run - us) / 1e6) AS lasted
            FROM taken WINDOW run AS (PARTITION BY journey_type, session_id ORDER BY us, place, event_id)
        )
        SELECT journey_type, step AS step_name, min(place) AS step_order, count(*) AS step_count,
            count(DISTINCT session_id) AS unique_sessions, favg(lasted) AS avg_time_in_step_seconds,
            count(DISTINCT session_id) FILTER (completed) AS completed_count
        FROM timed LEFT JOIN ended USING (journey_type, session_id) WHERE NOT nameless
        GROUP BY journey_type, step ORDER BY journey_type, step_order, step_name"""
    return Statement(sql, params)


def ways(asked: Params) -> Statement:
    """Neighbouring repeats of one step are one."""
    params = Parameters()
    sql = f"""
        WITH {_taken(asked, params)}, told AS (
            SELECT *, lag(step) OVER (PARTITION BY journey_type, session_id ORDER BY us, place, event_id) AS previous
            FROM taken WHERE NOT nameless
        ), ways AS (
            SELECT journey_type, session_id, list(step ORDER BY us, place, event_id)[1:{STEPS_SHOWN}] AS steps
            FROM told WHERE previous IS DISTINCT FROM step GROUP BY ALL
        )
        SELECT journey_type, steps, count(*) AS sessions, count(completed) AS completed
        FROM ways LEFT JOIN ended USING (journey_type, session_id) GROUP BY journey_type, steps
        ORDER BY sessions DESC, journey_type, steps LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


LENS = Lens(
    path="user/journeys/analytics",
    title="Recorded journeys",
    says="Each step of each journey, and the ways that sessions take most often.",
    group=RECORDED,
    Params=Params,
    Answer=Journeys,
    statements=lambda asked: [totals(asked), steps(asked), ways(asked)],
    answer=answer,
)
