"""Backups are taken by the clock, and what the primary says of its replicas is remembered for when it is gone."""

from __future__ import annotations

from datetime import timedelta

from quadra.backup.replica.memory import watch
from quadra.backup.schedule import Schedule
from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep


def take_backups(runtime: Runtime) -> None:
    if runtime.settings.backup_schedule:
        runtime.the(_schedule).tick(runtime)


def _schedule(runtime: Runtime) -> Schedule:
    return Schedule(runtime.settings)


UPKEEP = (
    Upkeep("backups", lambda _: timedelta(seconds=30), take_backups),
    Upkeep("watch-replication", lambda _: timedelta(seconds=10), watch),
)
