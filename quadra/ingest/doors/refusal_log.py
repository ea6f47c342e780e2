"""A line in the log for what ingest refused, under its request's id: with it, a sender finds out why. A connection over
Socket.IO has the id of the request that began it, or else its own (`socket.id` at the client).

A sender that is refused again and again writes a few lines a minute; the rest is counted, and told with the next one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from quadra.core.networks import Networks
from quadra.core.web.addresses import client_of, network_of

logger = logging.getLogger("quadra.ingest.refusals")

LINES_A_MINUTE = 5
"""Of one sender."""
MOST_SENDERS = 1_000
"""Within a minute; all others together are one sender."""
OTHERS = "others"


class RefusalLog:
    """Only requests that are refused come here. On any thread: two at once cost at most a line too many."""

    def __init__(self, trusted: Networks, clock: Callable[[], float] = time.monotonic):
        self._trusted = trusted
        self._clock = clock
        self._minute = 0
        self._counts: dict[str, int] = {}

    def sender_of(self, environ: Mapping[str, Any]) -> str:
        """Whom the lines of a request count for."""
        return network_of(client_of(environ, self._trusted))

    def note(self, environ: Mapping[str, Any], request_id: str, **what: Any) -> None:
        """`what` is said in the line: path, status, code, reason."""
        self.note_of(self.sender_of(environ), request_id, **what)

    def note_of(self, sender: str, request_id: str, **what: Any) -> None:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._turn(minute)
        if sender not in self._counts and len(self._counts) >= MOST_SENDERS:
            sender = OTHERS
        count = self._counts[sender] = self._counts.get(sender, 0) + 1
        if count <= LINES_A_MINUTE:
            logger.info("ingest.request.refused", extra={"request_id": request_id, **what})

    def _turn(self, minute: int) -> None:
        left = sum(max(0, count - LINES_A_MINUTE) for count in self._counts.values())
        senders = sum(count > LINES_A_MINUTE for count in self._counts.values())
        self._minute, self._counts = minute, {}
        if left:
            logger.info("ingest.refusals.counted", extra={"requests": left, "senders": senders})
