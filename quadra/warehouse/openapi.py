"""The doors of the warehouse, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.warehouse.routes import doors

GROUPS = (
    Group(
        title="Erasure",
        says="What is stored about a person goes for good; a restored backup is gone through once more.",
        doors=tuple(doors.described),
    ),
)
