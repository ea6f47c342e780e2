"""Calls of language models: which, how many tokens, what they cost, how long they took, who made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import SUCCEEDED, Asking, asking, field, filled, fitting, number
from quadra.core.given import Given
from quadra.core.runtime import Runtime

DAYS = 7
LIMIT, LIMIT_MOST = 100, 1_000

PROMPT, COMPLETION = f"coalesce({number('prompt_tokens')}, 0)", f"coalesce({number('completion_tokens')}, 0)"
TOKENS = f"coalesce({number('total_tokens')}, {PROMPT} + {COMPLETION})"
"""Of one call; the sum of both sorts where a sender gives no total."""


@dataclass(frozen=True)
class Ai:
    question: Question
    limit: int


def read(given: Given, project: Project) -> Ai:
    ai = Ai(read_question(given, project, days=DAYS), given.number("limit", LIMIT, 1, LIMIT_MOST))
    given.check()
    return ai


def answer(runtime: Runtime, ai: Ai) -> dict[str, Any]:
    periods = ai.question.periods()
    with asking(runtime, ai.question) as ask:
        models, users = _models(ask, ai), _users(ask, ai)
        by_day = _by_period(ask, ai, periods)
        return ask.told(totals=_totals(models), models=models[: ai.limit], users=users, by_day=by_day)


def _models(ask: Asking, ai: Ai) -> list[dict[str, Any]]:
    params = Parameters()
    return ask.rows(
        f"""
        SELECT {field("model")} AS model, {field("provider")} AS provider, count(*) AS queries,
            CAST(fsum({PROMPT}) AS BIGINT) AS prompt_tokens, CAST(fsum({COMPLETION}) AS BIGINT) AS completion_tokens,
            CAST(fsum({TOKENS}) AS BIGINT) AS total_tokens, fsum(coalesce(value, 0)) AS cost_usd,
            favg(duration_ms) AS avg_ms, quantile_cont(duration_ms, 0.95) AS p95_ms,
            count(*) FILTER ({SUCCEEDED}) * 100 / count(*) AS success_rate
        FROM events WHERE {fitting(ai.question, params, kind="ai")}
        GROUP BY ALL ORDER BY queries DESC, model, provider NULLS FIRST""",
        params,
    )


def _users(ask: Asking, ai: Ai) -> list[dict[str, Any]]:
    params = Parameters()
    where = fitting(ai.question, params, kind="ai")
    return ask.rows(
        f"""
        SELECT person AS user_id, count(*) AS queries, CAST(fsum({TOKENS}) AS BIGINT) AS tokens,
            fsum(coalesce(value, 0)) AS cost_usd
        FROM events WHERE {where} AND person IS NOT NULL
        GROUP BY person ORDER BY cost_usd DESC, queries DESC, person LIMIT {params.add(ai.limit)}""",
        params,
    )


def _by_period(ask: Asking, ai: Ai, periods: Periods) -> list[dict[str, Any]]:
    params = Parameters()
    found = ask.rows(
        f"""
        SELECT {periods.index_sql()} AS period, count(*) AS queries, CAST(fsum({TOKENS}) AS BIGINT) AS tokens,
            fsum(coalesce(value, 0)) AS cost_usd, count(*) FILTER (NOT {SUCCEEDED}) AS failed
        FROM events WHERE {fitting(ai.question, params, kind="ai")} GROUP BY ALL""",
        params,
    )
    return filled(periods, found, ("queries", "tokens", "cost_usd", "failed"))


def _totals(models: list[dict[str, Any]]) -> dict[str, Any]:
    summed = ("queries", "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd")
    return {name: sum(model[name] for model in models) for name in summed}
