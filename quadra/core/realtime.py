"""Socket.IO for this process: Flask-SocketIO on the event loop, joined to other replicas by Redis where that is set."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from queue import Full, Queue
from typing import Any

import msgspec
import orjson
import redis
from engineio.payload import Payload
from flask import Flask
from flask_socketio import SocketIO
from socketio.pubsub_manager import PubSubManager

from quadra.core.http import MAX_BODY_BYTES
from quadra.core.loop import Loop
from quadra.core.settings import Settings

logger = logging.getLogger(__name__)

CHANNEL = "quadra"


class WireJson:
    """The `json` module that Socket.IO asks for, by orjson."""

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:
        return orjson.loads(text)


def make_socketio(app: Flask, settings: Settings, loop: Loop) -> SocketIO:
    """Socket.IO over `app`. Origins are checked by each namespace's connect handler: a write key has its own list."""
    # a JavaScript client that emits 20 events at once over polling sends them as one payload; the library's own bound is 16
    Payload.max_decode_packets = 10_000
    return SocketIO(
        app,
        async_mode=settings.async_mode,
        path=settings.socket_path,
        client_manager=RedisQueue(settings.redis_url, loop) if settings.redis_url else None,
        json=WireJson,
        async_handlers=False,
        cors_allowed_origins="*",
        cors_credentials=False,
        max_http_buffer_size=MAX_BODY_BYTES,
        manage_session=False,
        ping_interval=20,
        ping_timeout=20,
    )


def close_connections(socketio: SocketIO, loop: Loop) -> None:
    """Close every connection, so that clients come back at once (to another replica, or to the next start).

    By ending the transport: a client that is told to leave its namespace stays away, and python-socketio's client also
    when it is told that Engine.IO closes.
    """
    sockets = list(socketio.server.eio.sockets.values())
    for connection in sockets:
        connection.close(wait=False, abort=True, reason=socketio.server.eio.reason.SERVER_DISCONNECT)
    if sockets:
        loop.sleep(0.1)  # their greenlets write what is left


class RedisQueue(PubSubManager):  # type: ignore[misc]
    """The Redis message queue of Socket.IO, with Redis on native threads.

    python-socketio's own manager blocks and therefore wants monkey-patched sockets; here a thread listens and a thread
    publishes, and only decoded messages reach the loop. While Redis is away messages are dropped: dashboards notice the gap
    by their cursor and catch up from the database.
    """

    name = "quadra-redis"

    def __init__(self, url: str, loop: Loop):
        super().__init__(channel=CHANNEL)
        self._url = url
        self._loop = loop
        self._outgoing: Queue[bytes] = Queue(maxsize=10_000)
        self._incoming: list[Any] = []
        self._arrived = loop.waiter()
        self.heard_at = 0.0
        """Monotonic seconds when the subscription last proved to be alive."""

    def initialize(self) -> None:
        threading.Thread(target=self._publish_from_thread, name="redis-publish", daemon=True).start()
        threading.Thread(target=self._listen_from_thread, name="redis-listen", daemon=True).start()
        super().initialize()

    def _publish(self, data: Any) -> None:
        try:
            self._outgoing.put_nowait(msgspec.json.encode(data))
        except Full:
            logger.warning("live.message.dropped", extra={"reason": "redis is slow or away"})

    def _listen(self) -> Iterator[Any]:
        while True:
            self._arrived.wait()
            self._arrived = self._loop.waiter()
            messages, self._incoming = self._incoming, []
            yield from messages

    def _publish_from_thread(self) -> None:
        client = redis.Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=3)
        while True:
            message = self._outgoing.get()
            try:
                client.publish(CHANNEL, message)
            except redis.RedisError as error:
                logger.warning("live.message.dropped", extra={"reason": str(error)})
                time.sleep(0.2)

    def _listen_from_thread(self) -> None:
        wait = 0.2
        while True:
            try:
                client = redis.Redis.from_url(self._url, socket_connect_timeout=3, health_check_interval=5)
                subscription = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                subscription.subscribe(CHANNEL)
                wait = 0.2
                while True:
                    message = subscription.get_message(timeout=5)
                    self.heard_at = time.monotonic()
                    if message is not None:
                        decoded = msgspec.json.decode(message["data"])
                        self._loop.call_from_thread(lambda m=decoded: self._hand_over(m))  # type: ignore[misc]
            except (redis.RedisError, msgspec.DecodeError) as error:
                logger.warning("live.subscription.lost", extra={"reason": str(error), "retry_seconds": wait})
                time.sleep(wait)
                wait = min(wait * 2, 5)

    def _hand_over(self, message: Any) -> None:
        self._incoming.append(message)
        self._arrived.set()
