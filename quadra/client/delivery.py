"""The queue of a client and the thread that empties it: batches, one request at a time, the same ids until there is an answer."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import httpx2

logger = logging.getLogger("quadra.client")

MAX_BYTES = 1_000_000
"""Of one request."""
FOR_GOOD = (400, 401, 403, 413)
"""Answers after which sending again is in vain."""
LONGEST_WAIT = 60.0


class Lost(NamedTuple):
    """An event that will never be stored."""

    event_id: str
    code: str
    """The server's code, or `queue_full`, `closed`."""
    message: str


class Delivery:
    def __init__(
        self,
        url: str,
        key: str,
        *,
        batch_events: int,
        queue_events: int,
        linger_seconds: float,
        timeout_seconds: float,
        on_lost: Callable[[Lost], None] | None,
    ):
        self._url, self._key = url, key
        self._batch_events, self._queue_events = batch_events, queue_events
        self._linger, self._timeout = linger_seconds, timeout_seconds
        self._on_lost = on_lost
        self._closed = False
        self.after_fork()

    def after_fork(self) -> None:
        """A child has none of its parent's threads, and the parent sends what was queued before."""
        self._queue: deque[tuple[str, bytes]] = deque()
        self._changed = threading.Condition()
        self._hurry = False
        self._thread: threading.Thread | None = None

    def put(self, event_id: str, text: bytes) -> None:
        with self._changed:
            code = "closed" if self._closed else "queue_full" if len(self._queue) >= self._queue_events else ""
            if not code:
                self._queue.append((event_id, text))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="quadra-client", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
        if code:
            self._lose(Lost(event_id, code, "the client was closed" if self._closed else "too many events wait"))

    def flush(self, seconds: float) -> bool:
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._queue, seconds)
            self._hurry = False
        return done

    def close(self, seconds: float) -> bool:
        done = self.flush(seconds)
        with self._changed:
            self._closed = True
            left, self._queue = list(self._queue), deque()
            self._changed.notify_all()
        for event_id, _ in left:
            self._lose(Lost(event_id, "closed", "not sent when the client was closed"))
        return done

    def _run(self) -> None:
        failures = 0
        with httpx2.Client(timeout=self._timeout) as http:
            while (batch := self._next(failures)) is not None:
                wait = self._send(http, batch)
                failures = 0 if wait is None else failures + 1
                if wait is not None:
                    self._pause(wait or min(LONGEST_WAIT, 2.0 ** min(failures, 6)) * random.uniform(0.25, 0.5))

    def _next(self, failures: int) -> list[tuple[str, bytes]] | None:
        """What goes along next, which stays in the queue; None when the client was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._closed and not failures:
                self._changed.wait_for(
                    lambda: len(self._queue) >= self._batch_events or self._hurry or self._closed, self._linger
                )
            if not self._queue:
                return None
            batch: list[tuple[str, bytes]] = []
            size = 0
            for event_id, text in self._queue:
                size += len(text) + 1
                if batch and (len(batch) == self._batch_events or size > MAX_BYTES):
                    break
                batch.append((event_id, text))
            return batch

    def _send(self, http: httpx2.Client, batch: list[tuple[str, bytes]]) -> float | None:
        """None when there is an answer for each; else how long the server asked to wait, 0 where it did not say."""
        events = b",".join(text for _, text in batch)
        body = b'{"sent_at":%d,"events":[%b]}' % (time.time_ns() // 1_000_000, events)
        headers = {"X-Quadra-Key": self._key, "Content-Type": "application/json"}
        try:
            answer = http.post(self._url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            logger.info("Quadra does not answer, %d events wait: %s", len(self._queue), error)
            return 0.0
        if not answer.is_success and answer.status_code not in FOR_GOOD:
            return _seconds(answer.headers.get("Retry-After", ""))
        try:
            told = answer.json()
        except ValueError:
            told = {}
        lost = []
        if answer.is_success:
            refused = (one for one in told.get("results", ()) if one.get("status") == "refused")
            lost = [Lost(batch[one["index"]][0], one["code"], one.get("message", "")) for one in refused]
        else:
            said = told.get("error", {})
            code, why = said.get("code", str(answer.status_code)), said.get("message", "refused")
            lost = [Lost(event_id, code, why) for event_id, _ in batch]
        with self._changed:
            for _ in batch:
                if self._queue:
                    self._queue.popleft()
            self._changed.notify_all()
        for one in lost:
            self._lose(one)
        return None

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    def _lose(self, lost: Lost) -> None:
        logger.warning("An event was not stored: %s (%s, %s)", lost.event_id, lost.code, lost.message)
        if self._on_lost is not None:
            self._on_lost(lost)


def _seconds(after: str) -> float:
    return min(float(after), LONGEST_WAIT) if after.isdecimal() else 0.0
