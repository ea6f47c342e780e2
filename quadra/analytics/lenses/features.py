"""Recorded uses of features: how often, by how many, how well, how long."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import SUCCEEDED, Measured, Snapshot, Statement, field, where_clause
from quadra.core.api.params import says, within
from quadra.core.typed import Typed
from quadra.ingest.kinds import ACTIONS

FEATURE = field("feature_name")
BY_ACTION = ", ".join(f"'{action}': count(*) FILTER ({field('action')} = '{action}')" for action in ACTIONS)


class Params(Asked, kw_only=True, frozen=True):
    feature_name: Annotated[str | None, says("Only this one.")] = None
    limit: Annotated[int, within(1, 1_000, "How many features to name.")] = 100


class Actions(Struct, kw_only=True):
    opened: int
    used: int
    completed: int


class Feature(Struct, kw_only=True):
    feature_name: str
    feature_category: str | None
    total_uses: int
    successful_uses: int
    success_rate: float
    avg_duration_seconds: float | None
    unique_users: int
    by_action: Actions


class Features(Measured, kw_only=True):
    features: list[Feature]


ROWS = Typed(list[Feature])


def used(asked: Params) -> Statement:
    params = Parameters()
    where = where_clause(asked.question, params, kind="feature", bots=False)
    if asked.feature_name is not None:
        where += f" AND {FEATURE} = {params.add(asked.feature_name)}"
    sql = f"""
        SELECT {FEATURE} AS feature_name,
            arg_max(category, (occurred_us, event_id)) FILTER (category IS NOT NULL) AS feature_category,
            count(*) AS total_uses, count(*) FILTER ({SUCCEEDED}) AS successful_uses,
            count(*) FILTER ({SUCCEEDED}) * 100 / count(*) AS success_rate,
            favg(duration_ms) / 1000 AS avg_duration_seconds, count(DISTINCT person) AS unique_users,
            {{{BY_ACTION}}} AS by_action
        FROM events WHERE {where} GROUP BY ALL
        ORDER BY total_uses DESC, feature_name LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> Features:
    features = events.structs(ROWS, used(asked))
    return Features(**events.measures(), features=features)


LENS = Lens(
    path="user/features/stats",
    title="Features",
    says="Recorded uses of features. Uses without an outcome or error count as successful; the rate is in per cent.",
    group=RECORDED,
    Params=Params,
    Answer=Features,
    statements=lambda asked: [used(asked)],
    answer=answer,
)
