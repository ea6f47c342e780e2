"""The backup room in a web process: replicas, backups, and the gauge of what is kept. Taking them is the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.backup import backup_routes, recovery_routes, schedule_routes
from quadra.backup.stores.metrics import KeptBackups
from quadra.core.api.openapi import Group
from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime

BLUEPRINTS = (recovery_routes.doors.blueprint, backup_routes.doors.blueprint, schedule_routes.doors.blueprint)

GROUPS = (
    Group(
        title="Recovery",
        says="Backups, replicas and the way back. See docs/disaster-recovery.md.",
        doors=(*recovery_routes.doors.described, *backup_routes.doors.described, *schedule_routes.doors.described),
    ),
)


def set_up(_app: Flask, runtime: Runtime) -> None:
    runtime.kept(Scrape).live.append(KeptBackups(runtime.settings))
