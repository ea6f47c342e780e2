"""Stores what a process noted about itself: in the web through the writer, in a worker by a turn of its own."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from quadra.core.errors import QuadraError, Unavailable
from quadra.core.loop import Threads
from quadra.core.runtime import Runtime
from quadra.health.observe import NoteErrors, Observer
from quadra.ingest import bulk
from quadra.ingest.accept import Row
from quadra.ingest.room import make_log
from quadra.ingest.writer import Outcome, Writer
from quadra.insights.costs import own_project

logger = logging.getLogger(__name__)

TURN_SECONDS = 1.0
AT_MOST = 0.25
"""Of the writer's queue: beyond it others wait, and what is about ourselves stands back."""
ROW_BYTES = 1_500


class Ticket:
    """Rows nobody waits for."""

    door = "quadra"

    def __init__(self, rows: Sequence[Row], observer: Observer):
        self.rows = rows
        self.weight = ROW_BYTES * len(rows)
        self._observer = observer

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """They are stored."""

    def fail(self, error: Unavailable) -> None:
        self._observer.drop("failed", len(self.rows))


def set_up(app: Flask, runtime: Runtime, writer: Writer, not_noted: Collection[str]) -> None:
    """Have the requests and errors of a web process noted and stored, where SELF_OBSERVE says so."""
    if not runtime.settings.self_observe:
        return
    observer = Observer(runtime, "web", not_noted)
    handler = NoteErrors(observer)
    app.extensions["quadra.on_served"].append(observer.served)
    web = _Web(runtime, writer, observer)
    app.extensions["quadra.on_start"].append(lambda: logging.getLogger().addHandler(handler))
    app.extensions["quadra.on_start"].append(web.start)
    app.extensions["quadra.on_stop"].append(lambda: logging.getLogger().removeHandler(handler))


class _Web:
    """On the event loop."""

    def __init__(self, runtime: Runtime, writer: Writer, observer: Observer):
        self._runtime = runtime
        self._writer = writer
        self._observer = observer
        self._threads = Threads(runtime.loop, 1, "observe")
        self._project_id: int | None = None
        self._most = int(runtime.settings.writer_queue_events * AT_MOST)

    def start(self) -> None:
        self._runtime.loop.spawn(self._store_for_ever)

    def _store_for_ever(self) -> None:
        while True:
            try:
                rows = self._threads.run(self._noted)
                self._submit(rows)
            except (QuadraError, SQLAlchemyError) as error:
                logger.warning("health.turn.postponed", extra={"reason": str(error)})
            except Exception:  # whatever it is, looking at oneself must not end the process or this loop
                logger.exception("health.turn.failed")
            self._runtime.loop.sleep(TURN_SECONDS)

    def _noted(self) -> list[Row]:
        """On a native thread."""
        if self._project_id is None:
            with self._runtime.database.begin() as session:
                self._project_id = own_project(session)
        self._observer.sample()
        return self._observer.take(self._project_id)

    def _submit(self, rows: list[Row]) -> None:
        if not rows:
            return
        if self._writer.depth > self._most:
            self._observer.drop("busy", len(rows))
            return
        try:
            self._writer.submit(Ticket(rows, self._observer))
        except Unavailable:
            self._observer.drop("busy", len(rows))


class WorkerTurn:
    """A worker's turn: it has no writer, and appends to the log itself."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._observer = Observer(runtime, "worker")
        self._log = make_log(runtime)
        self._project_id: int | None = None
        logging.getLogger().addHandler(NoteErrors(self._observer))

    def __call__(self) -> None:
        """Raises `Unavailable`."""
        if self._project_id is None:
            with self._runtime.database.begin() as session:
                self._project_id = own_project(session)
        self._observer.sample()
        rows = self._observer.take(self._project_id)
        if not rows:
            return
        try:
            bulk.append(self._log, rows)
        except Unavailable:
            self._observer.drop("failed", len(rows))
            raise
