"""Logging: whoever logs puts a record into a queue and goes on; a thread of its own writes the lines.

The event loop must never wait for a disk or a terminal that nobody reads. The queue has a bound; lines beyond it are
dropped and counted in `log_lines_dropped_total`.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue
from typing import Any

from quadra.core.environment import answered
from quadra.core.observing.log_files import open_files
from quadra.core.observing.log_lines import FOREIGN_EVENT, JsonLines, LineFormatter, event_of
from quadra.core.observing.metrics import counter, errors_total
from quadra.core.observing.redaction import Redaction, secrets_of
from quadra.core.setting_names import unknown
from quadra.core.settings import Settings

logger = logging.getLogger(__name__)

QUEUED_LINES = 10_000
"""Some megabytes: a burst fits, a disk that hangs for long does not."""
STOP_SECONDS = 3.0
OWN_HANDLERS = ("engineio.server", "socketio.server")
"""Libraries that write lines of their own, past all of this, unless a level was set for them before they begin."""
QUIET = (*OWN_HANDLERS, "alembic", "engineio", "socketio", "werkzeug", "quadra.core.web.server", "httpx2", "openai")

log_lines_dropped_total = counter("log_lines_dropped_total", "Lines that found the queue to the log full.")


class Listener(QueueListener):
    """Ends within a bound: a terminal that nobody reads must not keep the process from leaving."""

    _thread: threading.Thread | None

    def enqueue_sentinel(self) -> None:
        queue: Any = self.queue
        queue.put(None, timeout=STOP_SECONDS)

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with suppress(Full):
            self.enqueue_sentinel()
            thread.join(STOP_SECONDS)


_listeners: list[Listener] = []


class Enqueue(QueueHandler):
    """Puts records into the queue, with what only the thread that logs knows. Never waits."""

    def __init__(self, queue: Queue[Any], about: Callable[[], Mapping[str, str]]):
        super().__init__(queue)
        self._about = about

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg, record.args = record.getMessage(), None  # what it was made of may change before it is written
        for name, value in self._about().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except Full:
            log_lines_dropped_total.inc()


class CountErrors(logging.Handler):
    """Each line of level ERROR is an error in the metrics, by its kind and the room it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        event, _ = event_of(record)
        raised = record.exc_info[0] if record.exc_info else None
        names = record.name.split(".")
        room = names[1] if names[0] == "quadra" and len(names) > 1 else names[0]
        errors_total.labels(raised.__name__ if raised else event if event != FOREIGN_EVENT else "logged", room).inc()


def set_up(settings: Settings, role: str = "web", about: Callable[[], Mapping[str, str]] = dict) -> None:
    """Log to standard error, and to files where LOGS_DIR says so. `role` names the files: web, worker. `about` says what
    each line carries besides: which request it was written in, where this process serves some.

    Raises `Misconfigured` where LOGS_DIR cannot be written.
    """
    shut_down()
    redaction = Redaction(secrets_of(settings))
    as_json = JsonLines(redaction, environment=settings.environment, process=role)
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(as_json if settings.use_structured_logging else LineFormatter(redaction))
    files = open_files(settings, settings.logs_dir, role) if settings.logs_dir else []
    for handler in files:
        handler.setFormatter(as_json)
    queue: Queue[Any] = Queue(QUEUED_LINES)
    listener = Listener(queue, console, *files, respect_handler_level=True)
    _listeners.append(listener)
    listener.start()
    root = logging.getLogger()
    root.handlers[:] = [Enqueue(queue, about), CountErrors(logging.ERROR)]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    for name, meant in unknown().items():
        logger.warning("settings.name.unknown", extra={"setting": name, "perhaps": meant or None})
    for name, instead in answered().items():
        logger.info("settings.name.answered", extra={"setting": name, "instead": instead})


@atexit.register
def shut_down() -> None:
    """Write what waits, and close the files."""
    while _listeners:
        listener = _listeners.pop()
        listener.stop()
        for handler in listener.handlers:
            handler.flush()
            if isinstance(handler, logging.FileHandler):
                handler.close()
