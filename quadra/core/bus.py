"""Short messages between the processes of one Quadra, over Redis; nobody is there where no Redis is set.

A message may get lost, come late or come twice: Redis keeps nothing for those who are away. Whoever listens must be right
without it, only later. Each process also sends itself a beat every second: only what went out and came back proves that
the queue works. Everything runs on two native threads of its own; nothing here blocks its caller.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import msgspec
import redis

from quadra.core.ids import uuid7
from quadra.core.redis import database_number, make_client
from quadra.core.settings import Settings
from quadra.core.typed import Typed

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""Without a beat of our own for so long, the subscription counts as lost and is made anew."""
GONE_SECONDS = 10.0
"""Another process that has not been heard for so long is not counted among the peers."""
ANSWER_SECONDS = 3.0
RETRY_SECONDS, RETRY_SECONDS_MOST = 0.1, 1.0
OUTBOX_MESSAGES = 10_000
OUTBOX_BYTES = 16 * 2**20
AT_ONCE = 200
BEAT = "beat"
_messages = Typed(tuple[str, str, Any])

Handler = Callable[[Any], None]
"""Takes a message of another process. Called on the listening thread: must not block and must not raise."""


class NoBus:
    """One process alone."""

    configured = False
    alive = True
    dropped = 0

    @property
    def age_seconds(self) -> float:
        """How long ago a message of our own came back; 0 where there is no queue that could be late."""
        return 0.0

    def on(self, topic: str, handler: Handler) -> None:
        """Have `handler` called for each message of another process. Before `start`."""

    def on_change(self, handler: Callable[[bool], None]) -> None:
        """Have `handler` called with False when the queue is lost, and with True when it works again. Before `start`."""

    def publish(self, topic: str, payload: Any) -> None:
        """Tell the other processes. Never blocks; what does not fit into the outbox is dropped and counted."""

    def peers(self) -> list[str]:
        """The names of the other processes that were heard lately."""
        return []

    def start(self) -> None: ...

    def stop(self) -> None: ...


class RedisBus(NoBus):
    """Joined to the others by one channel of Redis."""

    configured = True

    def __init__(self, settings: Settings, name: str):
        self.id = uuid7()
        self._name = name
        self._settings = settings
        self._channel = f"quadra.{database_number(settings)}"
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._on_change: list[Callable[[bool], None]] = []
        self._outbox = Outbox()
        self._stopping = threading.Event()
        self._heard: dict[str, tuple[str, float]] = {}
        self._started_at = self._back_at = time.monotonic()
        self.alive = False
        self._lost_at: float | None = None

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self._back_at

    @property
    def dropped(self) -> int:  # type: ignore[override]
        """Messages that found the outbox full."""
        return self._outbox.dropped

    def on(self, topic: str, handler: Handler) -> None:
        self._handlers[topic].append(handler)

    def on_change(self, handler: Callable[[bool], None]) -> None:
        self._on_change.append(handler)

    def publish(self, topic: str, payload: Any) -> None:
        self._outbox.put(self._packed(topic, payload))

    def peers(self) -> list[str]:
        since = time.monotonic() - GONE_SECONDS
        return sorted(name for name, heard_at in list(self._heard.values()) if heard_at > since)

    def start(self) -> None:
        self._back_at = time.monotonic()
        for target in (self._publish_until_stopped, self._listen_until_stopped):
            threading.Thread(target=target, name=f"bus-{target.__name__.split('_')[1]}", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _packed(self, topic: str, payload: Any) -> bytes:
        return msgspec.json.encode((self.id, topic, payload))

    def _publish_until_stopped(self) -> None:
        client = make_client(self._settings, seconds=ANSWER_SECONDS)
        beat = self._packed(BEAT, self._name)
        beat_at, wait = 0.0, RETRY_SECONDS
        while not self._stopping.is_set():
            messages = self._outbox.take(max(0.0, beat_at - time.monotonic()))
            due = time.monotonic() >= beat_at
            try:
                pipeline = client.pipeline(transaction=False)
                for message in [*messages, beat] if due else messages:
                    pipeline.publish(self._channel, message)
                pipeline.execute()
            except (redis.RedisError, OSError):
                self._outbox.put_back(messages)  # the listening thread says in the log what is wrong
                self._stopping.wait(wait)
                wait = min(wait * 2, RETRY_SECONDS_MOST)
                continue
            wait = RETRY_SECONDS
            if due:
                beat_at = time.monotonic() + BEAT_SECONDS
        client.close()

    def _listen_until_stopped(self) -> None:
        wait = RETRY_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except (redis.RedisError, OSError, Silent) as error:
                self._lose(str(error))
                wait = RETRY_SECONDS if self._back_at > began else min(wait * 2, RETRY_SECONDS_MOST)
                self._stopping.wait(wait)

    def _listen(self) -> None:
        with make_client(self._settings, seconds=ANSWER_SECONDS) as client:
            subscription = client.pubsub(ignore_subscribe_messages=True)
            subscription.subscribe(self._channel)
            began = time.monotonic()
            while not self._stopping.is_set():
                message = subscription.get_message(timeout=BEAT_SECONDS)
                if message is not None:
                    self._take(message["data"])
                if time.monotonic() - max(began, self._back_at) > SILENT_SECONDS:
                    raise Silent(f"nothing of our own came back within {SILENT_SECONDS:g} s")

    def _take(self, data: bytes) -> None:
        try:
            sender, topic, payload = _messages.decode(data)
        except msgspec.DecodeError as error:
            logger.warning("bus.message.refused", extra={"reason": str(error)})
            return
        if topic == BEAT:
            if sender == self.id:
                self._come_back()
            else:
                self._heard[sender] = str(payload), time.monotonic()
                self._forget_the_gone()
        elif sender != self.id:
            for handler in self._handlers[topic]:
                self._tell(handler, payload)

    def _forget_the_gone(self) -> None:
        since = time.monotonic() - GONE_SECONDS
        for sender in [sender for sender, (_, heard_at) in self._heard.items() if heard_at < since]:
            del self._heard[sender]

    def _come_back(self) -> None:
        self._back_at = time.monotonic()
        if self.alive:
            return
        self.alive = True
        seconds = round(self._back_at - (self._lost_at or self._started_at), 1)
        logger.info("bus.joined", extra={"after_seconds": seconds, "dropped": self.dropped})
        for handler in self._on_change:
            self._tell(handler, True)

    def _lose(self, reason: str) -> None:
        if not self.alive and self._lost_at is not None:
            return
        self._lost_at = time.monotonic()
        self.alive = False
        logger.warning("bus.lost", extra={"reason": reason})
        for handler in self._on_change:
            self._tell(handler, False)

    def _tell(self, handler: Handler, payload: Any) -> None:
        try:
            handler(payload)
        except Exception:
            logger.exception("bus.message.failed")


class Silent(Exception):
    """Redis answers, and what we publish does not reach us."""


class Outbox:
    """Messages that wait for Redis, bounded by number and bytes."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, message: bytes) -> None:
        with self._changed:
            if len(self._waiting) >= OUTBOX_MESSAGES or self._bytes + len(message) > OUTBOX_BYTES:
                self.dropped += 1
                return
            self._waiting.append(message)
            self._bytes += len(message)
            self._changed.notify()

    def take(self, seconds: float) -> list[bytes]:
        """The oldest messages, at most so many; waits for the first one so long and no longer."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, seconds)
            taken = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            self._bytes -= sum(map(len, taken))
            return taken

    def put_back(self, messages: list[bytes]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(messages))
            self._bytes += sum(map(len, messages))


def make_bus(settings: Settings, name: str) -> NoBus:
    return RedisBus(settings, name) if settings.redis_configured else NoBus()
