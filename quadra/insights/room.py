"""The insights room in a web process: its routes. The analysing itself is the worker's."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.ingest.tables import BATCH_STATES
from quadra.insights import batch_routes, routes

BLUEPRINTS = (routes.doors.blueprint, batch_routes.doors.blueprint)

BATCHES = Group(
    title="Batches",
    says=(
        "Events are stored in batches. "
        + " ".join(f"**{state}**: {says}." for state, says in BATCH_STATES.items())
        + " Reading is for viewers, deciding for editors."
    ),
    doors=tuple(batch_routes.doors.described),
)

INSIGHTS = Group(
    title="Insights",
    says="What the analysts say about sealed batches, and how the pipeline is doing.",
    doors=tuple(routes.doors.described),
)

GROUPS = (BATCHES, INSIGHTS)
