"""The doors of recovery, as one group of the description."""

from __future__ import annotations

from quadra.backup import backup_routes, recovery_routes, schedule_routes
from quadra.core.api.openapi import Group

GROUPS = (
    Group(
        title="Recovery",
        says="Backups, replicas and the way back. See docs/disaster-recovery.md.",
        doors=(*recovery_routes.doors.described, *backup_routes.doors.described, *schedule_routes.doors.described),
    ),
)
