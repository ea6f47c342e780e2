"""The door of funnels, described: the one question that is too long for an address."""

from __future__ import annotations

from quadra.analytics import openapi_shapes as shapes
from quadra.analytics.routes import PREFIXES
from quadra.core.openapi import Answer, Body, Door

STEP = {
    "name": "signed_up",
    "count": 120,
    "conversion_rate": 100.0,
    "step_conversion_rate": 100.0,
    "average_seconds": None,
    "median_seconds": None,
}

FUNNEL = Door(
    method="POST",
    path=f"{PREFIXES[0]}/funnels/query",
    title="Funnel over any events",
    says=(
        "How many people took one step after another (`ordered`), with nothing between (`strict`) or in any order "
        "(`unordered`), within the window (14 days). An exclusion takes out people who did something between two steps, "
        "counted from 0. Rates are in per cent. `breakdown_attribution`: first_touch, last_touch, all_events or step:0, "
        "step:1, …"
    ),
    needs="viewer",
    body=Body(
        shape=shapes.AskedFunnel,
        example={
            "from": "2026-01-01",
            "to": "2026-01-31",
            "steps": [{"event": "signed_up"}, {"event": "bought", "where": {"plan": "pro"}}],
            "order": "ordered",
            "window_seconds": 604_800,
            "exclusions": [{"event": "cancelled", "from_step": 0, "to_step": 1}],
        },
    ),
    answers={
        200: Answer(
            says="The steps, and those of each value where a breakdown was asked for.",
            shape=shapes.FunnelAnswer,
            example={
                "steps": [
                    STEP,
                    {
                        "name": "bought",
                        "count": 30,
                        "conversion_rate": 25.0,
                        "step_conversion_rate": 25.0,
                        "average_seconds": 5_400.0,
                        "median_seconds": 3_600.0,
                    },
                ],
                "computed_at": "2026-01-31T12:00:00.000Z",
                "rows_read": 51_200,
                "elapsed_ms": 21.0,
            },
        )
    },
    refuses=(404, 503),
    also=tuple(f"{prefix}/funnels/query" for prefix in PREFIXES[1:]),
)
