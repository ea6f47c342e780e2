"""The doors of sinks, as a group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.sinks import routes

GROUPS = (
    Group(
        title="Sinks",
        says="Sealed batches leave for Kafka, BigQuery and ClickHouse. Reading is for viewers, deciding for editors.",
        doors=tuple(routes.doors.described),
    ),
)
