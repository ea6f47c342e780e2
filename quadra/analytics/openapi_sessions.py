"""The doors of the questions about what people do in one go, described."""

from __future__ import annotations

from quadra.analytics import openapi_shapes as shapes
from quadra.analytics.lenses.paths import EDGES, EDGES_MOST, INCLUDES, STEPS, STEPS_MOST
from quadra.analytics.lenses.sessions import PAGES, PAGES_MOST
from quadra.analytics.openapi_common import MEASURED, common, question
from quadra.analytics.questions.periods import INTERVALS
from quadra.core.openapi import Param

VISITS = {
    "count": 120,
    "people": 90,
    "bounces": 30,
    "bounce_rate": 25.0,
    "average_seconds": 310.5,
    "median_seconds": 120.0,
    "events_per_session": 6.2,
}

PATHS = question(
    "paths",
    "Paths",
    "From where to where people go within a session; the most frequent edges first.",
    (
        Param(name="max_steps", shape={"type": "integer", "minimum": 2, "maximum": STEPS_MOST, "default": STEPS}),
        Param(name="start", shape=str, says="Only from the first occurrence of this page or event on.", example="/"),
        Param(name="end", shape=str, says="Only up to the first occurrence of this page or event."),
        Param(
            name="include", shape={"enum": list(INCLUDES), "default": "all"}, says="Page views, other events, or both."
        ),
        Param(name="include_events", shape=str, says="Only these events or pages: `a,b`."),
        Param(name="exclude_events", shape=str, says="Without these events or pages: `a,b`."),
        Param(name="limit", shape={"type": "integer", "minimum": 1, "maximum": EDGES_MOST, "default": EDGES}),
        *common(),
    ),
    shapes.Paths,
    {"edges": [{"position": 1, "source": "/", "target": "/shop", "count": 88, "average_seconds": 21.5}], **MEASURED},
)

SESSIONS = question(
    "sessions",
    "Sessions",
    "What people do without a pause of more than 30 minutes: how many, how long, where they begin and end.",
    (
        Param(
            name="limit",
            shape={"type": "integer", "minimum": 1, "maximum": PAGES_MOST, "default": PAGES},
            says="How many entry and exit pages to name.",
        ),
        *common(intervals=(*INTERVALS, "whole")),
    ),
    shapes.Sessions,
    {
        **VISITS,
        "entries": [{"page": "/", "count": 71}],
        "exits": [{"page": "/checkout", "count": 30}],
        "periods": [{"at": "2026-01-01T00:00:00.000Z", **VISITS}],
        **MEASURED,
    },
)
