"""The doors of sinks, as a group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.sinks import routes
from quadra.sinks.registry import SINKS

GROUPS = (
    Group(
        title="Sinks",
        says=f"Sealed batches leave for other systems: {', '.join(sink.title for sink in SINKS)}. "
        "Reading is for viewers, deciding for editors.",
        doors=tuple(routes.doors.described),
    ),
)
