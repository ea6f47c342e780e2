"""What was stored, in one log line for many flushes: a line for each request of ingest would cost more than storing it."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger("quadra.ingest.writer")

EVERY_SECONDS = 10.0


class FlushLog:
    """Adds up flushes; the first one after EVERY_SECONDS tells of all since the last line."""

    def __init__(self) -> None:
        self._logged_at = float("-inf")
        self._flushes = self._events = self._new = self._failed = 0

    def flushed(self, events: int, new: int, *, failed: bool) -> None:
        self._flushes += 1
        self._events += events
        self._new += new
        self._failed += events if failed else 0
        if time.monotonic() - self._logged_at < EVERY_SECONDS:
            return
        facts = {"flushes": self._flushes, "events": self._events, "new": self._new, "not_stored": self._failed}
        logger.info("ingest.events.written", extra=facts)
        self._logged_at = time.monotonic()
        self._flushes = self._events = self._new = self._failed = 0
