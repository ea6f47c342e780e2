"""Quadra looks at itself: requests it served, errors and samples of the machine become events of the project `quadra`.

Best effort, and bounded everywhere: noting one puts it into a short queue and returns, a rate bounds how many are taken, and
what finds the queue full, the rate used up, the writer busy or the disk nearly full is dropped and counted. What is stored here
comes by no request, so nothing is noted about it: it cannot feed itself.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import quadra
from quadra.core import clock
from quadra.core.observing.metrics import counter
from quadra.core.observing.redaction import Redaction, secrets_of
from quadra.core.runtime import Runtime
from quadra.health.context import Machine, disk_percent, memory_percent
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.wire import Refused, from_dict
from quadra.insights.scrub import scrub

logger = logging.getLogger(__name__)

QUEUED = 1_000
SAMPLE_SECONDS = 30.0
STACK_CHARACTERS, MESSAGE_CHARACTERS = 8_000, 1_000
ROOT = str(Path(quadra.__file__).parent.parent)

dropped_total = counter("self_observed_dropped_total", "Events about Quadra itself that were not kept.", ("reason",))


class Observer:
    """What one process notes about itself until somebody stores it. Safe from any thread; nothing here blocks."""

    def __init__(self, runtime: Runtime, role: str, endpoint: Callable[[], str | None] = lambda: None):
        """`endpoint` names the route of the request that this thread is answering."""
        settings = runtime.settings
        self._per_second = settings.self_observe_per_second
        self._disk_most = settings.health_disk_fail
        self._data_dir = settings.data_dir
        self._redaction = Redaction(secrets_of(settings))
        self._endpoint = endpoint
        self._component = f"{role}:{socket.gethostname()[:100]}"
        self._machine = Machine()
        self._waiting: deque[dict[str, Any]] = deque()
        self._lock = threading.Lock()
        self._second, self._count = 0, 0
        self._sampled_at = 0.0
        self._disk_full = False

    def note(self, **fields: Any) -> None:
        """Note one event, unless there is no room for it. None stands for a field that it has not."""
        if self._has_room():
            self._waiting.append({"timestamp": clock.now_us() // 1000, **fields})

    def failed(self, record: logging.LogRecord) -> None:
        """Note an error that was logged with its exception."""
        kind, error, trace = record.exc_info or (None, None, None)
        if kind is None or error is None:
            return
        # what a database driver says; SQLAlchemy's own text repeats the statement with its values
        text = str(getattr(error, "orig", None) or error)
        stack = "".join(traceback.format_tb(trace)).replace(ROOT, "")
        self.note(
            kind="error",
            event_type="error",
            error_type=kind.__name__[:200],
            message=self._clean(text)[:MESSAGE_CHARACTERS] or kind.__name__,
            stack_trace=self._clean(stack)[-STACK_CHARACTERS:],
            severity=record.levelname.lower(),
            endpoint=self._endpoint(),
            properties={"component": self._component, "log_event": str(record.msg)[:200]},
        )

    def sample(self) -> None:
        """Note how the machine is, every 30 s however often this is called. May take some milliseconds."""
        at = time.monotonic()
        if self._sampled_at and at - self._sampled_at < SAMPLE_SECONDS:
            return
        self._sampled_at = at
        disk = disk_percent(self._data_dir)
        self._disk_full = disk >= self._disk_most
        machine, self._machine = self._machine, Machine()
        values = {"cpu_percent": machine.cpu()[0], "memory_percent": memory_percent(), "disk_percent": disk}
        for name, value in values.items():
            self.note(
                kind="metric",
                event_type="metric",
                metric_name=name,
                metric_value=value,
                unit="percent",
                component=self._component,
                event_category="system",
            )

    def take(self, project_id: int) -> list[Row]:
        """Everything noted so far, as rows for the log."""
        sender, received, rows = Sender(project_id, door="quadra"), clock.now_us(), []
        while self._waiting:
            fields = {name: value for name, value in self._waiting.popleft().items() if value is not None}
            try:
                rows.append(accept(from_dict(fields), sender, received))
            except Refused as refused:
                self.drop("refused")
                logger.warning("health.observed.refused", extra={"fields": str(refused.fields)})
        return rows

    def drop(self, reason: str, number: int = 1) -> None:
        dropped_total.labels(reason).inc(number)

    def _has_room(self) -> bool:
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._count = second, 0
            self._count += 1
            reason = ""
            if self._count > self._per_second:
                reason = "rate"
            elif len(self._waiting) >= QUEUED:
                reason = "queue"
            elif self._disk_full:
                reason = "disk"
        if reason:
            self.drop(reason)
        return not reason

    def _clean(self, text: str) -> str:
        return scrub(self._redaction.lines(text))


class NoteErrors(logging.Handler):
    """Notes each line of level ERROR that comes with an exception."""

    def __init__(self, observer: Observer):
        super().__init__(logging.ERROR)
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        # not what storing these events itself logs: it would feed itself
        if not record.exc_info or record.name.startswith(("quadra.health.self_events", "quadra.health.web_observer")):
            return
        try:
            self._observer.failed(record)
        except Exception:
            self.handleError(record)
