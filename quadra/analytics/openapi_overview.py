"""The doors of the overview and of what a product runs on, described."""

from __future__ import annotations

from quadra.analytics import openapi_overview_shapes as shapes
from quadra.analytics.lenses import ai, errors, performance, users
from quadra.analytics.openapi_common import MEASURED, common, limit, question
from quadra.analytics.routes import PREFIXES
from quadra.core.openapi import Answer, Door, Param

DAY = "2026-01-31T00:00:00.000Z"
PEOPLE = {"total": 980, "active": 312, "new": 40, "returning": 272}
EVENTS = {"total": 51_200, "by_type": {"page_view": 40_100, "signed_up": 11_100}}
API = {"requests": 9_000, "error_rate": 0.4, "avg_ms": 38.2, "p95_ms": 121.0}
AI = {"queries": 210, "tokens": 340_000, "cost_usd": 4.2}
ERRORS = {"total": 31, "groups": 4, "unresolved": 2}
POINT = {"at": DAY, "events": 1_700, "users": 120, "errors": 1}

OVERVIEW = question(
    "dashboard",
    "Overview",
    "The numbers that people look at first, each with the same of the period before (`previous`). Rates are in per cent.",
    common(),
    shapes.OverviewAnswer,
    {
        "users": {**PEOPLE, "previous": PEOPLE},
        "sessions": {
            "count": 500,
            "avg_duration_seconds": 240.5,
            "previous": {"count": 480, "avg_duration_seconds": 250.0},
        },
        "events": {**EVENTS, "previous": EVENTS},
        "api": {**API, "previous": API},
        "ai": {**AI, "previous": AI},
        "errors": {**ERRORS, "previous": ERRORS},
        "top_features": [
            {
                "feature_name": "export",
                "total_uses": 90,
                "unique_users": 31,
                "previous": {"total_uses": 70, "unique_users": 30},
            }
        ],
        "insights": [],
        "series": [{**POINT, "previous": {**POINT, "at": "2026-01-01T00:00:00.000Z"}}],
        **MEASURED,
    },
)

PERIOD = [{"at": DAY, "users": 4}]
TOTALS = {"users": 980, "active": 312, "new": 40, "returning": 272}
USERS = question(
    "users",
    "Users",
    "How many are active, new and coming back, how long they stay, and who does the most. `dau`, `wau`, `mau` are of the "
    "1, 7, 30 days that end with the last one of the range; `stickiness` is DAU / MAU, from 0 to 1.",
    (limit(users.LIMIT, users.LIMIT_MOST, "How many users to name."), *common()),
    shapes.UsersAnswer,
    {
        "totals": {**TOTALS, "previous": TOTALS},
        "dau": 60,
        "wau": 180,
        "mau": 312,
        "stickiness": 0.19,
        "new": {"by_day": PERIOD, "by_week": PERIOD, "by_month": PERIOD},
        "active_by_day": PERIOD,
        "retention": [{"day": 1, "people": 40, "returned": 12, "rate": 30.0}],
        "sessions": {
            "count": 500,
            "average_seconds": 240.5,
            "previous": {"count": 480, "average_seconds": 250.0},
        },
        "users": [{"user_id": "u-1", "events": 512, "first_seen": DAY, "last_seen": DAY}],
        **MEASURED,
    },
)

TOKENS = {
    "queries": 210,
    "prompt_tokens": 300_000,
    "completion_tokens": 40_000,
    "total_tokens": 340_000,
    "cost_usd": 4.2,
}
AI_USAGE = question(
    "ai",
    "AI usage",
    "Calls of language models: which, by whom, tokens, cost, time, success.",
    (limit(ai.LIMIT, ai.LIMIT_MOST, "How many models and users to name."), *common(days=ai.DAYS)),
    shapes.AiAnswer,
    {
        "totals": TOKENS,
        "models": [
            {"model": "gpt-x", "provider": "openai", **TOKENS, "avg_ms": 812.0, "p95_ms": 2_100.0, "success_rate": 99.5}
        ],
        "users": [{"user_id": "u-1", "queries": 12, "tokens": 14_000, "cost_usd": 0.4}],
        "by_day": [{"at": DAY, "queries": 30, "tokens": 48_000, "cost_usd": 0.6, "failed": 0}],
        **MEASURED,
    },
)

REQUESTS = {
    "requests": 9_000,
    "avg_ms": 38.2,
    "p50_ms": 20.0,
    "p95_ms": 121.0,
    "p99_ms": 310.0,
    "error_rate": 0.4,
    "errors_4xx": 30,
    "errors_5xx": 6,
}
ENDPOINT = {"endpoint": "/api/orders/{id}", "method": "GET", **REQUESTS}
PERFORMANCE = question(
    "performance",
    "API performance",
    "Requests by endpoint: times, errors (a status from 400 on, in per cent), the slowest by p95, and by hour of the day.",
    (limit(performance.LIMIT, performance.LIMIT_MOST, "How many endpoints to name."), *common(days=performance.DAYS)),
    shapes.PerformanceAnswer,
    {
        "totals": REQUESTS,
        "endpoints": [ENDPOINT],
        "slowest": [ENDPOINT],
        "by_hour": [{"hour": 0, **REQUESTS}],
        "peak": {"hour": 14, "requests": 900},
        "by_day": [{"at": DAY, **REQUESTS}],
        **MEASURED,
    },
)

ERRORS_SEEN = question(
    "errors",
    "Errors",
    "Errors by type and message. `first_seen` looks at all of history. A group is resolved from when somebody said so until "
    "another error of it arrives.",
    (
        limit(errors.LIMIT, errors.LIMIT_MOST, "How many groups to name."),
        Param(name="resolved", shape={"type": "boolean"}, says="Only groups that are resolved, or are not."),
        *common(days=errors.DAYS),
    ),
    shapes.ErrorsAnswer,
    {
        "totals": ERRORS,
        "groups": [
            {
                "group_id": "0f6fdb3d7ff14cf5b19cbb1ab1cd31bb",
                "error_type": "TypeError",
                "message": "x is undefined",
                "count": 12,
                "users": 7,
                "first_seen": DAY,
                "last_seen": DAY,
                "severity": "high",
                "endpoint": "/checkout",
                "stack_trace": "at pay (checkout.js:3)",
                "resolved": False,
                "resolved_at": None,
            }
        ],
        "by_day": [{"at": DAY, "count": 12, "users": 7}],
        **MEASURED,
    },
)

MINUTES = {
    "events": 120,
    "users": 9,
    "sessions": 10,
    "errors": 0,
    "events_per_second": 2.0,
    "by_type": {"page_view": 118, "signed_up": 2},
    "by_page": {"/": 60, "/prices": 58},
}
REALTIME = question(
    "realtime/stats",
    "Right now",
    "The last 1, 5 and 30 minutes. A range is of no account.",
    common(),
    shapes.Realtime,
    {
        "last_1_minute": MINUTES,
        "last_5_minutes": MINUTES,
        "last_30_minutes": MINUTES,
        "at": DAY,
        **MEASURED,
    },
)

GROUP_ID = Param(name="group_id", shape=str, example="0f6fdb3d7ff14cf5b19cbb1ab1cd31bb")
PROJECT = Param(name="project", shape=str, says="Left out: the project of the key that asks, else `default`.")


def _said(verb: str, title: str, says: str, resolved: bool) -> Door:
    told = {"group_id": GROUP_ID.example, "resolved": resolved, "resolved_at": DAY if resolved else None}
    return Door(
        method="POST",
        path=f"{PREFIXES[0]}/errors/{{group_id}}/{verb}",
        title=title,
        says=says,
        needs="editor",
        params=(GROUP_ID, PROJECT),
        answers={200: Answer(says="As it stands now.", shape=shapes.ErrorResolved, example=told)},
        refuses=(404, 503),
        also=tuple(f"{prefix}/errors/{{group_id}}/{verb}" for prefix in PREFIXES[1:]),
    )


RESOLVE = _said("resolve", "Resolve errors", "An error of the group that arrives later opens it again. Audited.", True)
REOPEN = _said("reopen", "Reopen errors", "Takes back that they are resolved. Audited.", False)
