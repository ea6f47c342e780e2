"""The doors of the questions about recorded kinds, described."""

from __future__ import annotations

from quadra.analytics import openapi_recorded_shapes as shapes
from quadra.analytics.lenses import event_types, events, features, journeys, recorded_funnels, satisfaction
from quadra.analytics.openapi_common import MEASURED, common, limit, question
from quadra.core.openapi import Param
from quadra.ingest.kinds import KINDS, SCORES

FEATURES = question(
    "user/features/stats",
    "Features",
    "Recorded uses of features. A use that does not say how it ended has succeeded; the rate is in per cent.",
    (
        Param(name="feature_name", shape=str, says="Only this one."),
        limit(features.LIMIT, features.LIMIT_MOST, "How many features to name."),
        *common(),
    ),
    shapes.Features,
    {
        "features": [
            {
                "feature_name": "export",
                "feature_category": "reports",
                "total_uses": 90,
                "successful_uses": 81,
                "success_rate": 90.0,
                "avg_duration_seconds": 3.5,
                "unique_users": 31,
                "by_action": {"opened": 40, "used": 45, "completed": 5},
            }
        ],
        **MEASURED,
    },
)

NPS = {"total_responses": 120, "avg_score": 8.1, "min_score": 0.0, "max_score": 10.0, "nps": 42.5}
SATISFACTION = question(
    "user/satisfaction/metrics",
    "Satisfaction",
    "NPS (-100 to 100), CSAT (per cent) and CES (mean), with every score of the scale and the contexts of the answers.",
    (
        Param(name="survey_type", shape={"enum": list(SCORES)}, says="Only this one."),
        limit(satisfaction.CONTEXTS, satisfaction.CONTEXTS_MOST, "How many contexts to name.", "context_limit"),
        *common(),
    ),
    shapes.Satisfaction,
    {
        "satisfaction_metrics": [
            {
                "survey_type": "nps",
                **NPS,
                "distribution": {"9": 60, "10": 30, "0": 30},
                "by_context": {"checkout": NPS},
            }
        ],
        **MEASURED,
    },
)

OF_EVENTS = (
    Param(name="event_type", shape=str, says="Only of this type."),
    Param(name="event_name", shape=str, says="Only of this name."),
    Param(name="event_category", shape=str, says="Only of this category."),
    Param(name="session_id", shape=str, says="Only of this session, as the sender names it."),
    Param(name="user_id", shape=str, says="Only of this person; any id of theirs stands for all of them."),
    Param(name="kind", shape={"enum": list(KINDS)}, says="Only of this kind."),
    Param(name="start_date", shape=str, says="The same as `from`."),
    Param(name="end_date", shape=str, says="The same as `to`."),
)
ROW = {
    "event_id": "e-1",
    "batch_id": "019be0c4-3c00-7000-8000-000000000001",
    "kind": "page",
    "event_type": "page_view",
    "event_name": "page_view",
    "event_category": None,
    "user_id": "u-1",
    "anonymous_id": None,
    "session_id": "s-1",
    "timestamp": "2026-01-31T12:00:00.000Z",
    "received_at": "2026-01-31T12:00:00.100Z",
    "page_url": "/prices",
    "page_title": "Prices",
    "referrer": None,
    "device_type": "desktop",
    "browser": "Firefox",
    "os": "Linux",
    "duration_ms": None,
    "value": None,
    "success": None,
    "bot": False,
    "fields": {},
    "properties": {"plan": "pro"},
}
EVENTS = question(
    "user/events",
    "Events one by one",
    "The newest first; without a range of all of history. With `user_id` it is the timeline of one person.",
    (
        *OF_EVENTS,
        limit(events.LIMIT, events.LIMIT_MOST, "How many to a page."),
        Param(name="offset", shape={"type": "integer", "minimum": 0, "maximum": events.OFFSET_MOST, "default": 0}),
        Param(name="cursor", shape=str, says="What the page before said; quicker than an offset, and misses nothing."),
        *common(),
    ),
    shapes.EventRows,
    {"events": [ROW], "count": 1, "cursor": None, **MEASURED},
)
EVENT_TYPES = question(
    "user/events/analytics",
    "Types of event",
    "How many there are of each type, and how long they took.",
    (*OF_EVENTS, limit(event_types.LIMIT, event_types.LIMIT_MOST, "How many types to name."), *common()),
    shapes.EventTypes,
    {
        "event_types": [{"event_type": "page_view", "count": 40_100, "avg_duration_ms": None}],
        "total_events": 51_200,
        **MEASURED,
    },
)

FUNNEL = {
    "funnel_name": "checkout",
    "stages": [
        {
            "stage": "cart",
            "stage_order": 1,
            "users_reached": 100,
            "users_completed": 60,
            "users_stopped": 40,
            "reached_rate": 100.0,
            "conversion_rate": 60.0,
            "drop_off_rate": 40.0,
            "avg_time_to_stage_seconds": 0.0,
            "avg_time_in_stage_seconds": 41.5,
        }
    ],
    "total_started": 100,
    "total_completed": 60,
    "overall_conversion_rate": 60.0,
}
OF_A_FUNNEL = (
    "People (sessions where there is no user) count once in a stage. `users_completed` went on to a later stage or to the end; "
    "`conversion_rate` and `drop_off_rate` are of those who reached the stage, `reached_rate` of all who began; per cent."
)
FUNNELS = question(
    "user/funnels",
    "Recorded funnels",
    OF_A_FUNNEL,
    (
        Param(name="funnel_name", shape=str, says="Only this one."),
        limit(recorded_funnels.LIMIT, recorded_funnels.LIMIT_MOST, "How many funnels to name."),
        *common(),
    ),
    shapes.RecordedFunnels,
    {"funnels": [FUNNEL], **MEASURED},
)
ONE_FUNNEL = question(
    "user/funnels/{funnel_name}/analytics",
    "One recorded funnel",
    OF_A_FUNNEL,
    (Param(name="funnel_name", shape=str, example="checkout"), *common()),
    shapes.OneRecordedFunnel,
    {**FUNNEL, **MEASURED},
)
JOURNEYS = question(
    "user/journeys/analytics",
    "Recorded journeys",
    "Each step of each journey, and the ways that sessions take most often.",
    (
        Param(name="journey_type", shape=str, says="Only this one."),
        limit(journeys.LIMIT, journeys.LIMIT_MOST, "How many ways to name."),
        *common(),
    ),
    shapes.Journeys,
    {
        "totals": [{"journey_type": "onboarding", "sessions": 80, "completed": 20, "completion_rate": 25.0}],
        "journeys": [
            {
                "journey_type": "onboarding",
                "step_name": "welcome",
                "step_order": 1,
                "step_count": 82,
                "unique_sessions": 80,
                "avg_time_in_step_seconds": 12.5,
                "completed_count": 20,
            }
        ],
        "paths": [{"journey_type": "onboarding", "steps": ["welcome", "profile"], "sessions": 31, "completed": 12}],
        **MEASURED,
    },
)
