"""How many events a write key may send in a minute, counted where no sender waits for it.

A key's events are counted in this process: a request at once, messages of a socket sixty-four at a time. Once a second the
counts go to Redis and those of the other replicas come back; a round trip for each event would cost more than storing it. So a
limit may be passed by what a second brings on the other replicas, by one request, and by sixty-three messages of each socket.
Without Redis each replica allows the whole limit. The minute slides: of the one before, the part counts that is less than sixty
seconds ago. Everything here runs on the event loop, except Redis.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import redis

from quadra.core.errors import Limited
from quadra.core.redis import make_client
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads

logger = logging.getLogger(__name__)

MINUTE = 60
SYNC_SECONDS = 1.0
REDIS_SECONDS = 1.0
PREFIX = "quadra:ingest"

Clock = Callable[[], float]


class Meter:
    """The events of one write key. Ask `full` before, `add` afterwards."""

    def __init__(self, limit: int, clock: Clock = time.time):
        self.limit = limit
        self._clock = clock
        self._minute = int(clock() // MINUTE)
        self._own = self._own_before = 0
        self._others = self._others_before = 0
        self._weighed = 0.0
        self.full = False
        """Whether the key may send nothing for the moment. Looked at for every event, so it is no property."""
        self.unsent = 0
        """Events that were not sent to Redis yet."""

    def add(self, events: int) -> None:
        self._own += events
        self.unsent += events
        if self.limit and self._weighed + self._others + self._own >= self.limit:
            self.advance()

    def advance(self) -> None:
        """Let time pass."""
        at = self._clock()
        minute = int(at // MINUTE)
        if minute != self._minute:
            follows = minute == self._minute + 1
            self._own_before, self._others_before = (self._own, self._others) if follows else (0, 0)
            self._own = self._others = self.unsent = 0
            self._minute = minute
        left = 1 - (at % MINUTE) / MINUTE
        self._weighed = (self._own_before + self._others_before) * left
        self.full = bool(self.limit) and self.used >= self.limit

    def hear(self, minute: int, total: int, *, sent: int) -> None:
        """What all replicas have counted in a minute, ours that were sent included."""
        if minute == self._minute:
            self.unsent -= sent
            self._others = max(self._others, total - (self._own - self.unsent))
            self.advance()

    @property
    def minute(self) -> int:
        return self._minute

    @property
    def idle(self) -> bool:
        return not (self._own or self._own_before or self._others or self._others_before)

    @property
    def used(self) -> int:
        return math.ceil(self._weighed) + self._others + self._own

    @property
    def reset_seconds(self) -> int:
        """Until the key may send again, or until the minute is over where it may."""
        into = self._clock() % MINUTE
        now, before = self._own + self._others, self._own_before + self._others_before
        if not self.full:
            return math.ceil(MINUTE - into)
        if now < self.limit:  # the minute before weighs less with each second
            return max(1, math.ceil(MINUTE * (1 - (self.limit - 1 - now) / before) - into))
        return math.ceil(MINUTE - into + MINUTE * (1 - (self.limit - 1) / now))

    def headers(self) -> list[tuple[str, str]]:
        if not self.limit:
            return []
        numbers = {"Limit": self.limit, "Remaining": max(0, self.limit - self.used), "Reset": self.reset_seconds}
        return [(f"RateLimit-{name}", str(number)) for name, number in numbers.items()]

    def error(self) -> Limited:
        seconds = self.reset_seconds
        return Limited(
            f"This key has sent {self.limit:,} events within a minute, which is its limit; try again in {seconds} s.",
            retry_after_seconds=seconds,
        )


class Quota:
    """The meters of this process."""

    def __init__(self, runtime: Runtime):
        settings = runtime.settings
        self._limit = settings.rate_limit_ingest if settings.rate_limit_enabled else 0
        self._loop = runtime.loop
        self._threads = Threads(runtime.loop, 1, "quota")
        self._redis = (
            make_client(settings, seconds=REDIS_SECONDS) if settings.redis_configured and self._limit else None
        )
        self._meters: dict[int, Meter] = {}
        self._away = False

    def meter(self, key_id: int) -> Meter:
        found = self._meters.get(key_id)
        if found is None:
            found = self._meters[key_id] = Meter(self._limit)
        return found

    def start(self) -> None:
        if self._limit:
            self._loop.spawn(self._turn_for_ever)

    def _turn_for_ever(self) -> None:
        while True:
            self._loop.sleep(SYNC_SECONDS)
            for meter in self._meters.values():
                meter.advance()
            if self._redis is not None and any(not meter.idle for meter in self._meters.values()):
                self._sync()

    def _sync(self) -> None:
        """Tell Redis what is new here, hear what is new elsewhere."""
        asked = [
            (key_id, meter, meter.minute, meter.unsent) for key_id, meter in self._meters.items() if not meter.idle
        ]
        try:
            totals = self._threads.run(self._exchange, [(key_id, minute, count) for key_id, _, minute, count in asked])
        except (redis.RedisError, OSError) as error:
            if not self._away:
                logger.warning("ingest.quota.alone", extra={"reason": str(error)})
            self._away = True
            return
        self._away = False
        for (_, meter, minute, count), total in zip(asked, totals, strict=True):
            meter.hear(minute, total, sent=count)

    def _exchange(self, counts: list[tuple[int, int, int]]) -> list[int]:
        """On a native thread."""
        assert self._redis is not None
        pipeline = self._redis.pipeline(transaction=False)
        for key_id, minute, count in counts:
            name = f"{PREFIX}:{key_id}:{minute}"
            pipeline.incrby(name, count)
            pipeline.expire(name, 3 * MINUTE)
        answers = pipeline.execute()
        return [int(answer) for answer in answers[::2]]
