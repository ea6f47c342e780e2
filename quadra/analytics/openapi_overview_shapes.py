"""The shapes of the overview, of users, of errors, of calls and requests, for their description."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from quadra.analytics.openapi_shapes import Told
from quadra.core.openapi import Time


class UserNumbers(Struct, kw_only=True):
    total: int
    active: int
    new: int
    returning: int


class OverviewUsers(UserNumbers, kw_only=True):
    previous: UserNumbers


class SessionNumbers(Struct, kw_only=True):
    count: int
    avg_duration_seconds: float


class OverviewSessions(SessionNumbers, kw_only=True):
    previous: SessionNumbers


class CountedEvents(Struct, kw_only=True):
    total: int
    by_type: dict[str, int]


class OverviewEvents(CountedEvents, kw_only=True):
    previous: CountedEvents


class ApiNumbers(Struct, kw_only=True):
    requests: int
    error_rate: float
    avg_ms: float | None
    p95_ms: float | None


class OverviewApi(ApiNumbers, kw_only=True):
    previous: ApiNumbers


class AiNumbers(Struct, kw_only=True):
    queries: int
    tokens: int
    cost_usd: float


class OverviewAi(AiNumbers, kw_only=True):
    previous: AiNumbers


class ErrorNumbers(Struct, kw_only=True):
    total: int
    groups: int
    unresolved: int


class OverviewErrors(ErrorNumbers, kw_only=True):
    previous: ErrorNumbers


class FeatureNumbers(Struct, kw_only=True):
    total_uses: int
    unique_users: int


class TopFeature(FeatureNumbers, kw_only=True):
    feature_name: str
    previous: FeatureNumbers


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
    previous: PreviousPoint


class OverviewAnswer(Told, kw_only=True):
    users: OverviewUsers
    sessions: OverviewSessions
    events: OverviewEvents
    api: OverviewApi
    ai: OverviewAi
    errors: OverviewErrors
    top_features: list[TopFeature]
    insights: list[dict[str, Any]]
    series: list[OverviewPoint]


class PeopleTotals(Struct, kw_only=True):
    users: int
    active: int
    new: int
    returning: int


class UsersTotals(PeopleTotals, kw_only=True):
    previous: PeopleTotals


class PeriodUsers(Struct, kw_only=True):
    at: Time
    users: int


class NewUsers(Struct, kw_only=True):
    by_day: list[PeriodUsers]
    by_week: list[PeriodUsers]
    by_month: list[PeriodUsers]


class CameBack(Struct, kw_only=True):
    day: int
    people: int
    returned: int
    rate: float


class Visits(Struct, kw_only=True):
    count: int
    average_seconds: float


class UsersSessions(Visits, kw_only=True):
    previous: Visits


class ActiveUser(Struct, kw_only=True):
    user_id: str
    events: int
    first_seen: Time
    last_seen: Time


class UsersAnswer(Told, kw_only=True):
    totals: UsersTotals
    dau: int
    wau: int
    mau: int
    stickiness: float
    new: NewUsers
    active_by_day: list[PeriodUsers]
    retention: list[CameBack]
    sessions: UsersSessions
    users: list[ActiveUser]


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


class AiAnswer(Told, kw_only=True):
    totals: AiTotals
    models: list[Model]
    users: list[AiUser]
    by_day: list[AiPeriod]


class Requests(Struct, kw_only=True):
    requests: int
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    errors_4xx: int
    errors_5xx: int


class Endpoint(Requests, kw_only=True):
    endpoint: str | None
    method: str | None


class HourOfDay(Requests, kw_only=True):
    hour: int


class RequestsPeriod(Requests, kw_only=True):
    at: Time


class Peak(Struct, kw_only=True):
    hour: int
    requests: int


class PerformanceAnswer(Told, kw_only=True):
    totals: Requests
    endpoints: list[Endpoint]
    slowest: list[Endpoint]
    by_hour: list[HourOfDay]
    peak: Peak | None
    by_day: list[RequestsPeriod]


class ErrorGroup(Struct, kw_only=True):
    group_id: str
    error_type: str
    message: str
    count: int
    users: int
    first_seen: Time
    last_seen: Time
    severity: str | None
    endpoint: str | None
    stack_trace: str | None
    resolved: bool
    resolved_at: Time | None


class ErrorResolved(Struct, kw_only=True):
    group_id: str
    resolved: bool
    resolved_at: Time | None


class ErrorPeriod(Struct, kw_only=True):
    at: Time
    count: int
    users: int


class ErrorsAnswer(Told, kw_only=True):
    totals: ErrorNumbers
    groups: list[ErrorGroup]
    by_day: list[ErrorPeriod]


class Minutes(Struct, kw_only=True):
    events: int
    users: int
    sessions: int
    errors: int
    events_per_second: float
    by_type: dict[str, int]
    by_page: dict[str, int]


class Realtime(Told, kw_only=True):
    last_1_minute: Minutes
    last_5_minutes: Minutes
    last_30_minutes: Minutes
    at: Time
