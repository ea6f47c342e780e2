"""The jobs room in a web process: what waits, and what was given up. The work itself is the worker's."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.jobs import operating_routes, routes

BLUEPRINTS = (routes.doors.blueprint, operating_routes.doors.blueprint)

GROUPS = (
    Group(
        title="Jobs",
        says="What is done with the events after they are stored. Reading is for viewers, deciding for editors.",
        doors=(*routes.doors.described, *operating_routes.doors.described),
    ),
)
