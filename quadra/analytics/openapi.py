"""The doors of the lenses, described. A new lens is described here."""

from __future__ import annotations

from quadra.analytics import openapi_shapes as shapes
from quadra.analytics.lenses.retention import KINDS, PERIODS_MOST
from quadra.analytics.lenses.trends import AGGREGATES, LABELS, LABELS_MOST
from quadra.analytics.openapi_business import BUSINESS
from quadra.analytics.openapi_common import EVENT, FLAG, MEASURED, common, question
from quadra.analytics.openapi_export import EXPORT
from quadra.analytics.openapi_funnel import FUNNEL
from quadra.analytics.openapi_overview import (
    AI_USAGE,
    ERRORS_SEEN,
    OVERVIEW,
    PERFORMANCE,
    REALTIME,
    REOPEN,
    RESOLVE,
    USERS,
)
from quadra.analytics.openapi_recorded import (
    EVENT_TYPES,
    EVENTS,
    FEATURES,
    FUNNELS,
    JOURNEYS,
    ONE_FUNNEL,
    SATISFACTION,
)
from quadra.analytics.openapi_saved import SAVED
from quadra.analytics.openapi_sessions import PATHS, SESSIONS
from quadra.analytics.questions.periods import INTERVALS
from quadra.core.openapi import Group, Param

TRENDS = question(
    "trends",
    "Trends",
    "How often, how many people, how much, for each period.",
    (
        EVENT,
        Param(name="aggregate", shape={"enum": list(AGGREGATES), "default": "total"}),
        Param(name="property", shape=str, says="The number that `sum`, `avg` and `max_per_user` are of."),
        Param(name="breakdown", shape=str, says="A field or property: one series for each of its values."),
        Param(
            name="breakdown_limit",
            shape={"type": "integer", "minimum": 1, "maximum": LABELS_MOST, "default": LABELS},
            says="The largest keep their names, the rest becomes `Other`.",
        ),
        Param(name="cumulative", shape=FLAG, says="Running sums."),
        *common(intervals=(*INTERVALS, "whole")),
    ),
    shapes.Trends,
    {"series": [{"label": "page_view", "points": [{"at": "2026-01-01T00:00:00.000Z", "value": 412}]}], **MEASURED},
)

RETENTION = question(
    "retention",
    "Retention",
    "Of the people who did something in a period, how many did something in each period after it.",
    (
        Param(name="first_event", shape=str, says="What puts people into a cohort. Left out: any event."),
        Param(name="return_event", shape=str, says="What counts as coming back. Left out: any event."),
        Param(name="first_where[property]", shape=str, says="A filter of the first event alone."),
        Param(name="return_where[property]", shape=str, says="A filter of the return event alone."),
        Param(
            name="periods",
            shape={"type": "integer", "minimum": 1, "maximum": PERIODS_MOST},
            says="How many periods to look at; with `from` and `to` how many columns to show.",
        ),
        Param(name="kind", shape={"enum": list(KINDS), "default": KINDS[0]}),
        Param(name="minimum_occurrences", shape={"type": "integer", "minimum": 1, "default": 1}),
        Param(name="cumulative", shape=FLAG, says="Seen in that period or any later one."),
        *common(interval="period"),
    ),
    shapes.Retention,
    {"cohorts": [{"at": "2026-01-01T00:00:00.000Z", "size": 120, "returned": [120, 41, 33]}], **MEASURED},
)

STICKINESS = question(
    "stickiness",
    "Stickiness",
    "How many people were active in exactly 1, 2, 3, … periods of the range.",
    (
        EVENT,
        Param(
            name="interval_count", shape={"type": "integer", "minimum": 1, "default": 1}, says="So many make a period."
        ),
        Param(
            name="per_interval", shape=str, says="How often in a period: `gte:2`, `lte:1`, `exact:2`.", example="gte:2"
        ),
        Param(name="cumulative", shape=FLAG, says="In so many or more."),
        *common(),
    ),
    shapes.Stickiness,
    {"buckets": [310, 102, 44, 12, 9, 3, 1], **MEASURED},
)

LIFECYCLE = question(
    "lifecycle",
    "Lifecycle",
    "Who is new, who came back, who stayed, who went silent. `dormant` is a negative number.",
    (EVENT, *common()),
    shapes.Lifecycle,
    {
        "periods": [{"at": "2026-01-01T00:00:00.000Z", "new": 20, "returning": 71, "resurrecting": 9, "dormant": -14}],
        **MEASURED,
    },
)

GROUPS = (
    Group(
        title="Questions",
        says="Each is answered from every event that was acknowledged, up to the last one. The rules are in docs/lenses.md.",
        doors=(TRENDS, RETENTION, STICKINESS, LIFECYCLE, FUNNEL, PATHS, SESSIONS, EXPORT),
    ),
    Group(
        title="Overview",
        says="Numbers of people, of requests, of errors, of models. Rates are in per cent.",
        doors=(OVERVIEW, REALTIME, USERS, PERFORMANCE, ERRORS_SEEN, RESOLVE, REOPEN, AI_USAGE),
    ),
    Group(
        title="Recorded kinds",
        says="What senders recorded as such.",
        doors=(EVENTS, EVENT_TYPES, FEATURES, FUNNELS, ONE_FUNNEL, JOURNEYS, SATISFACTION),
    ),
    BUSINESS,
    SAVED,
)
