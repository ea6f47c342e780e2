"""The doors of the queue, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.jobs.routes import doors

GROUPS = (
    Group(
        title="Jobs",
        says="What is done with the events after they are stored. Reading is for viewers, deciding for editors.",
        doors=tuple(doors.described),
    ),
)
