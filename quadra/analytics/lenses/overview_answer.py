"""What an overview says: each number with the same one of another time."""

from __future__ import annotations

from msgspec import Struct

from quadra.analytics.lenses.errors import ErrorNumbers
from quadra.analytics.questions.people import UserNumbers
from quadra.analytics.questions.snapshot import Measured
from quadra.core.api.openapi import Time
from quadra.insights.answers import Insight


class OverviewUsers(UserNumbers, kw_only=True):
    previous: UserNumbers | None


class SessionNumbers(Struct, kw_only=True):
    count: int
    avg_duration_seconds: float


class OverviewSessions(SessionNumbers, kw_only=True):
    previous: SessionNumbers | None


class CountedEvents(Struct, kw_only=True):
    total: int
    by_type: dict[str, int]


class OverviewEvents(CountedEvents, kw_only=True):
    previous: CountedEvents | None


class ApiNumbers(Struct, kw_only=True):
    requests: int
    error_rate: float
    avg_ms: float | None
    p95_ms: float | None


class OverviewApi(ApiNumbers, kw_only=True):
    previous: ApiNumbers | None


class AiNumbers(Struct, kw_only=True):
    queries: int
    tokens: int
    cost_usd: float


class OverviewAi(AiNumbers, kw_only=True):
    previous: AiNumbers | None


class OverviewErrors(ErrorNumbers, kw_only=True):
    previous: ErrorNumbers | None


class FeatureNumbers(Struct, kw_only=True):
    total_uses: int
    unique_users: int


class TopFeature(FeatureNumbers, kw_only=True):
    feature_name: str
    previous: FeatureNumbers | None


class PreviousPoint(Struct, kw_only=True):
    at: Time | None
    events: int
    users: int
    errors: int


class OverviewPoint(Struct, kw_only=True):
    at: Time
    events: int
    users: int
    errors: int
    previous: PreviousPoint | None


class OverviewAnswer(Measured, kw_only=True):
    users: OverviewUsers
    sessions: OverviewSessions
    events: OverviewEvents
    api: OverviewApi
    ai: OverviewAi
    errors: OverviewErrors
    top_features: list[TopFeature]
    insights: list[Insight]
    """The newest of the project, whatever the question is filtered to."""
    series: list[OverviewPoint]
