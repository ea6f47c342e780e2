"""Calls of language models: which, how many tokens, what they cost, how long they took, who made them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import (
    SUCCEEDED,
    Measured,
    Snapshot,
    Statement,
    field,
    filled,
    number,
    where_clause,
)
from quadra.core.api.openapi import Time
from quadra.core.api.params import within
from quadra.core.typed import Typed

PROMPT, COMPLETION = f"coalesce({number('prompt_tokens')}, 0)", f"coalesce({number('completion_tokens')}, 0)"
TOKENS = f"coalesce({number('total_tokens')}, {PROMPT} + {COMPLETION})"
"""Of one call; the sum of both sorts where a sender gives no total."""


class Params(Asked, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many models and users to name.")] = 100


class AiTotals(Struct, kw_only=True):
    queries: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float


class Model(AiTotals, kw_only=True):
    model: str
    provider: str | None
    avg_ms: float | None
    p95_ms: float | None
    success_rate: float


class AiUser(Struct, kw_only=True):
    user_id: str
    queries: int
    tokens: int
    cost_usd: float


class AiPeriod(Struct, kw_only=True):
    at: Time
    queries: int
    tokens: int
    cost_usd: float
    failed: int


class AiAnswer(Measured, kw_only=True):
    totals: AiTotals
    models: list[Model]
    users: list[AiUser]
    by_day: list[AiPeriod]


MODELS, USERS, PERIODS = Typed(list[Model]), Typed(list[AiUser]), Typed(list[AiPeriod])


def of_models(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {field("model")} AS model, {field("provider")} AS provider, count(*) AS queries,
            CAST(fsum({PROMPT}) AS BIGINT) AS prompt_tokens, CAST(fsum({COMPLETION}) AS BIGINT) AS completion_tokens,
            CAST(fsum({TOKENS}) AS BIGINT) AS total_tokens, fsum(coalesce(value, 0)) AS cost_usd,
            favg(duration_ms) AS avg_ms, quantile_cont(duration_ms, 0.95) AS p95_ms,
            count(*) FILTER ({SUCCEEDED}) * 100 / count(*) AS success_rate
        FROM events WHERE {where_clause(asked.question, params, kind="ai")}
        GROUP BY ALL ORDER BY queries DESC, model, provider NULLS FIRST"""
    return Statement(sql, params)


def of_users(asked: Params) -> Statement:
    params = Parameters()
    where = where_clause(asked.question, params, kind="ai")
    sql = f"""
        SELECT person AS user_id, count(*) AS queries, CAST(fsum({TOKENS}) AS BIGINT) AS tokens,
            fsum(coalesce(value, 0)) AS cost_usd
        FROM events WHERE {where} AND person IS NOT NULL
        GROUP BY person ORDER BY cost_usd DESC, queries DESC, person LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def of_periods(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {asked.question.periods().index_sql()} AS period, count(*) AS queries,
            CAST(fsum({TOKENS}) AS BIGINT) AS tokens, fsum(coalesce(value, 0)) AS cost_usd,
            count(*) FILTER (NOT {SUCCEEDED}) AS failed
        FROM events WHERE {where_clause(asked.question, params, kind="ai")} GROUP BY ALL"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> AiAnswer:
    periods = asked.question.periods()
    models, users = events.structs(MODELS, of_models(asked)), events.structs(USERS, of_users(asked))
    by_day = filled(PERIODS, periods, events.rows(of_periods(asked)), ("queries", "tokens", "cost_usd", "failed"))
    totals = AiTotals(
        queries=sum(model.queries for model in models),
        prompt_tokens=sum(model.prompt_tokens for model in models),
        completion_tokens=sum(model.completion_tokens for model in models),
        total_tokens=sum(model.total_tokens for model in models),
        cost_usd=sum(model.cost_usd for model in models),
    )
    return AiAnswer(**events.measures(), totals=totals, models=models[: asked.limit], users=users, by_day=by_day)


LENS = Lens(
    path="ai",
    title="AI usage",
    says="Calls of language models: which, by whom, tokens, cost, time, success.",
    group=OVERVIEW,
    asks=Asks(days=7),
    Params=Params,
    Answer=AiAnswer,
    statements=lambda asked: [of_models(asked), of_users(asked), of_periods(asked)],
    answer=answer,
)
