"""A worker looks at everything and keeps the report for whoever asks later; and it stores what it noted about itself."""

from __future__ import annotations

import logging
from datetime import timedelta

from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep
from quadra.health import history
from quadra.health.checks import CHECKS
from quadra.health.context import CheckContext
from quadra.health.runner import Runner
from quadra.health.self_events import NoteErrors, Observer
from quadra.ingest.own_log import OwnLog
from quadra.insights.costs import own_project


def keep_report(runtime: Runtime) -> None:
    history.keep(runtime, runtime.the(_runner))


def observe(runtime: Runtime) -> None:
    if runtime.settings.self_observe:
        runtime.the(WorkerNotes).store()


class WorkerNotes:
    """What this worker noted about itself: it has no writer, and appends to the log itself."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._observer = Observer(runtime, "worker")
        self._project_id: int | None = None
        logging.getLogger().addHandler(NoteErrors(self._observer))

    def store(self) -> None:
        """Raises `Unavailable`."""
        if self._project_id is None:
            with self._runtime.database.begin() as session:
                self._project_id = own_project(session)
        self._observer.sample()
        rows = self._observer.take(self._project_id)
        if not rows:
            return
        try:
            self._runtime.the(OwnLog).append(rows)
        except Unavailable:
            self._observer.drop("failed", len(rows))
            raise


def _runner(runtime: Runtime) -> Runner:
    """It remembers which checks hang, so a worker has one."""
    context = CheckContext(runtime, "worker")
    context.machine.start()
    return Runner(context, CHECKS)


UPKEEP = (
    Upkeep("health", lambda settings: settings.health_interval, keep_report),
    Upkeep("observe", lambda _: timedelta(seconds=5), observe),
)
