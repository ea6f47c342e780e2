"""The doors of the queue, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.jobs import operating_routes, routes

GROUPS = (
    Group(
        title="Jobs",
        says="What is done with the events after they are stored. Reading is for viewers, deciding for editors.",
        doors=(*routes.doors.described, *operating_routes.doors.described),
    ),
)
