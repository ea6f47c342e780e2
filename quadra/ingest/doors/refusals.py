"""Refusals at the doors of ingest, counted by address, so that being refused is no way to keep the event loop busy.

Only who sends without a good key is counted and looked at: strangers at the same address do not close the door for a key.
Counted in this process alone and for a minute; what is forgotten costs nothing but a few more refusals.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from quadra.core.errors import Limited
from quadra.core.settings import Settings
from quadra.core.web.addresses import client_of, network_of

MINUTE = 60
MOST_ADDRESSES = 10_000
"""More than this within a minute come from a network of machines, which no counter by address stops."""


class Refusals:
    """Count a stranger's request that is refused. On the event loop."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time):
        self._limit = settings.rate_limit_refused if settings.rate_limit_enabled else 0
        self._trusted = settings.trusted_proxies
        self._clock = clock
        self._minute = 0
        self._counts: dict[str, int] = {}

    def full(self, environ: Mapping[str, Any]) -> bool:
        """Whether the address was refused too often within this minute."""
        self._turn()
        return bool(self._limit) and self._counts.get(self._address(environ), 0) >= self._limit

    def count(self, environ: Mapping[str, Any]) -> None:
        """Raises `Limited` instead, once the address was refused too often."""
        if self.full(environ):
            seconds = math.ceil(MINUTE - self._clock() % MINUTE)
            raise Limited(
                f"Too many requests without a valid key; try again in {seconds} s.", retry_after_seconds=max(1, seconds)
            )

        address = self._address(environ)
        if address in self._counts or len(self._counts) < MOST_ADDRESSES:
            self._counts[address] = self._counts.get(address, 0) + 1

    def _address(self, environ: Mapping[str, Any]) -> str:
        return network_of(client_of(environ, self._trusted))

    def _turn(self) -> None:
        minute = int(self._clock() // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
