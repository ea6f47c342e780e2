"""The shapes of the answers about recorded kinds, for their description."""

from __future__ import annotations

from msgspec import Struct

from quadra.analytics.openapi_shapes import Told


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


class Features(Told, kw_only=True):
    features: list[Feature]


class SurveyNumbers(Struct, kw_only=True, omit_defaults=True):
    total_responses: int
    avg_score: float
    min_score: float
    max_score: float
    nps: float = 0
    csat: float = 0
    ces: float = 0


class Survey(SurveyNumbers, kw_only=True, omit_defaults=True):
    survey_type: str
    distribution: dict[str, int]
    by_context: dict[str, SurveyNumbers]


class Satisfaction(Told, kw_only=True):
    satisfaction_metrics: list[Survey]
