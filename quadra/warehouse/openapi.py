"""The doors of the warehouse, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.warehouse import kept_routes, routes

GROUPS = (
    Group(
        title="Erasure and retention",
        says="What is stored about a person is removed for good; a restored backup is searched again.",
        doors=(*routes.doors.described, *kept_routes.doors.described),
    ),
)
