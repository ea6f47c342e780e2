"""The warehouse in a web process: its doors. The lenses ask it; compaction and all else is the worker's."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.warehouse import kept_routes, routes

BLUEPRINTS = (routes.doors.blueprint, kept_routes.doors.blueprint)

GROUPS = (
    Group(
        title="Erasure and retention",
        says="What is stored about a person is removed for good; a restored backup is searched again.",
        doors=(*routes.doors.described, *kept_routes.doors.described),
    ),
)
