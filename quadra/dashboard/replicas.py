"""Telling the other web processes what was stored here, and hearing it from them.

Only which batches have grown is told; the rows are read from the database, at most a few times a second for each project.
Without Redis, or when a message gets lost, the look that every process takes once a second finds the same rows later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from quadra.core import clock
from quadra.core.bus import NoBus
from quadra.core.typed import Typed
from quadra.core.web.loop import Loop
from quadra.dashboard.reading import BatchState
from quadra.ingest.log import Appended

TOPIC = "stored"
PAUSE_SECONDS = 0.05
"""Between two messages about one project."""

Hear = Callable[[int, list[BatchState]], None]


class Told(msgspec.Struct, array_like=True):
    """A message: a project and the batches in which it has new events."""

    project_id: int
    batches: list[tuple[str, bool, int]]


_told = Typed(Told)


class Replicas:
    """The other web processes. On the event loop."""

    def __init__(self, bus: NoBus, loop: Loop, *, hear: Hear, changed: Callable[[bool], None]):
        """`hear` is called with what another process stored, `changed` with whether they can be heard."""
        self._bus = bus
        self._loop = loop
        self._waiting: dict[int, dict[str, tuple[str, bool, int]]] = {}
        self._told_at: dict[int, int] = {}
        bus.on(TOPIC, lambda message: self._take(message, hear))
        bus.on_change(lambda alive: loop.call_from_thread(lambda: changed(alive)))

    def start(self) -> None:
        if self._bus.configured:
            self._loop.spawn(self._tell_for_ever)

    def tell(self, appended: Appended) -> None:
        """What this process has just stored: at once, or with the next message where the last one was a moment ago."""
        if not self._bus.configured:
            return
        for batch, rows in appended.stored:
            state = (batch.id, batch.id in appended.sealed, batch.event_count)
            self._waiting.setdefault(rows[0].project_id, {})[batch.id] = state
        self._send()

    def _tell_for_ever(self) -> None:
        while True:
            self._loop.sleep(PAUSE_SECONDS)
            if self._waiting:
                self._send()

    def _send(self) -> None:
        at = clock.now_us()
        for project_id in list(self._waiting):
            if at - self._told_at.get(project_id, 0) >= PAUSE_SECONDS * 1_000_000:
                self._told_at[project_id] = at
                self._bus.publish(TOPIC, Told(project_id, list(self._waiting.pop(project_id).values())))

    def _take(self, message: Any, hear: Hear) -> None:
        """On the bus's thread."""
        told = _told.convert(message)
        states = [BatchState(*batch) for batch in told.batches]
        self._loop.call_from_thread(lambda: hear(told.project_id, states))
