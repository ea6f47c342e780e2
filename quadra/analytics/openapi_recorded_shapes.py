"""The shapes of the answers about recorded kinds, for their description."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from quadra.analytics.openapi_shapes import Told
from quadra.core.openapi import Time


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


class EventRow(Struct, kw_only=True):
    event_id: str
    batch_id: str
    kind: str
    event_type: str
    event_name: str
    event_category: str | None
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    timestamp: Time
    received_at: Time
    page_url: str | None
    page_title: str | None
    referrer: str | None
    device_type: str | None
    browser: str | None
    os: str | None
    duration_ms: float | None
    value: float | None
    success: bool | None
    bot: bool
    fields: dict[str, Any]
    properties: dict[str, Any]


class EventRows(Told, kw_only=True):
    events: list[EventRow]
    count: int
    cursor: str | None


class EventType(Struct, kw_only=True):
    event_type: str
    count: int
    avg_duration_ms: float | None


class EventTypes(Told, kw_only=True):
    event_types: list[EventType]
    total_events: int


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


class RecordedFunnels(Told, kw_only=True):
    funnels: list[RecordedFunnel]


class OneRecordedFunnel(RecordedFunnel, kw_only=True):
    computed_at: Time
    rows_read: int
    elapsed_ms: float


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


class Journeys(Told, kw_only=True):
    totals: list[JourneyTotal]
    journeys: list[JourneyStep]
    paths: list[JourneyPath]
