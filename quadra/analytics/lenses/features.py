"""Recorded uses of features: how often, by how many, how well, how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import SUCCEEDED, asking, field, fitting
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.ingest.kinds import ACTIONS

LIMIT, LIMIT_MOST = 100, 1_000
FEATURE = field("feature_name")
BY_ACTION = ", ".join(f"count(*) FILTER ({field('action')} = '{action}') AS {action}" for action in ACTIONS)


@dataclass(frozen=True)
class Features:
    question: Question
    feature: str | None
    limit: int


def read(given: Given, project: Project) -> Features:
    features = Features(
        read_question(given, project), given.text("feature_name"), given.number("limit", LIMIT, 1, LIMIT_MOST)
    )
    given.check()
    return features


def answer(runtime: Runtime, features: Features) -> dict[str, Any]:
    params = Parameters()
    where = fitting(features.question, params, kind="feature", people=True)
    if features.feature is not None:
        where += f" AND {FEATURE} = {params.add(features.feature)}"
    sql = f"""
        SELECT {FEATURE} AS feature_name,
            arg_max(category, (occurred_us, event_id)) FILTER (category IS NOT NULL) AS feature_category,
            count(*) AS total_uses, count(*) FILTER ({SUCCEEDED}) AS successful_uses,
            count(*) FILTER ({SUCCEEDED}) * 100 / count(*) AS success_rate,
            favg(duration_ms) / 1000 AS avg_duration_seconds, count(DISTINCT person) AS unique_users, {BY_ACTION}
        FROM events WHERE {where} GROUP BY ALL
        ORDER BY total_uses DESC, feature_name LIMIT {params.add(features.limit)}"""
    with asking(runtime, features.question) as ask:
        return ask.told(features=[_shown(row) for row in ask.rows(sql, params)])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    by_action = {action: row.pop(action) for action in ACTIONS}
    return {**row, "by_action": by_action}
