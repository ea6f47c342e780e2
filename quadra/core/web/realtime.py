"""Socket.IO for this process: Flask-SocketIO on the event loop, joined to other replicas by Redis where that is set."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from engineio.exceptions import EngineIOError
from engineio.payload import Payload
from engineio.socket import Socket as EngineSocket
from flask import Flask
from flask_socketio import SocketIO
from socketio.pubsub_manager import PubSubManager

from quadra.core.bus import NoBus
from quadra.core.errors import QuadraError
from quadra.core.observing.metrics import Live, counter, errors_total, gauge
from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime
from quadra.core.web import slow
from quadra.core.web.answer_headers import uncached
from quadra.core.web.handshakes import Handshakes, refuse_half
from quadra.core.web.http import MAX_BODY_BYTES
from quadra.core.web.loop import Loop

access = logging.getLogger("quadra.access")

TOPIC = "socketio"
MOST_JSON = 128 * 1024
"""Of what the libraries decode, on the loop: `[[],[],…]` holds a hundred objects in 300 bytes. Events do not come this way."""
MOST_PACKETS = 10_000
"""In one body of a polling client."""
MOST_FORM = 64 * 1024
"""Of a body of a form, as very old browsers send it."""
NAMESPACES = ("/", "/live")
RECONNECT_MS = 1_000
"""Within which a client that was told `server:reconnect` does best to come back."""
FETCH_SECONDS = 2.0
"""For polling clients to fetch that word: between two polls nothing can be sent to them. Who has left without a word is not
waited for any longer."""
PRIVATE_PARTS = ((Payload, "decode"), (EngineSocket, "handle_post_request"))

websocket_messages_total = counter(
    "websocket_messages_total",
    "Socket.IO events: `in` from clients, `out` to them or to a room of them.",
    ("event", "direction"),
)


def connections(socketio: SocketIO) -> Live:
    """The gauge of a web process's connections."""
    says = "Socket.IO connections that are open, whether by WebSocket or by polling."
    return lambda: [gauge("websocket_connections", says, len(socketio.server.eio.sockets))]


class WireJson:
    """The `json` module that Socket.IO asks for, by orjson."""

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:
        if len(text) > MOST_JSON:  # the libraries take a ValueError for a packet that is none
            raise ValueError("too large")
        return orjson.loads(text)


def set_up(app: Flask, runtime: Runtime) -> None:
    """Put Socket.IO in front of `app`; rooms find it as `runtime.kept(SocketIO)`.

    Origins are checked by each namespace's connect handler: a write key has its own list.
    """
    settings, loop, bus = runtime.settings, runtime.loop, runtime.bus
    # a JavaScript client that emits 20 events at once over polling sends them as one payload; the library's own bound is 16
    Payload.max_decode_packets = MOST_PACKETS
    _bound_payloads()
    socketio = SocketIO(
        app,
        async_mode=settings.async_mode,
        path=settings.socket_path,
        client_manager=BusManager(bus, loop) if bus.configured else None,
        json=WireJson,
        async_handlers=False,
        cors_allowed_origins="*",
        cors_credentials=False,
        max_http_buffer_size=MAX_BODY_BYTES,
        manage_session=False,
        ping_interval=20,
        ping_timeout=20,
    )
    socketio.server.handle_request = uncached(refuse_half(socketio.server.handle_request))
    Handshakes(socketio.server)
    runtime.keep(socketio)
    runtime.kept(Scrape).live.append(connections(socketio))
    runtime.on_start += (partial(slow.watch, socketio.server, loop), bus.start)


def _bound_payloads() -> None:
    """Count the packets of a polling client's body before the library makes an object of each; and end the session of a body
    that is none with a 400. The library writes a traceback for each, and answers 200: whoever likes could fill the log."""
    decode_any, read_any = Payload.decode, EngineSocket.handle_post_request
    if getattr(decode_any, "_quadra", False):
        return

    def decode(self: Any, encoded_payload: str) -> Any:
        form = encoded_payload.startswith("d=")
        if encoded_payload.count("\x1e") >= MOST_PACKETS or (form and len(encoded_payload) > MOST_FORM):
            raise ValueError("Too many packets in payload")
        return decode_any(self, encoded_payload)

    def handle_post_request(self: Any, environ: dict[str, Any]) -> None:
        try:
            read_any(self, environ)
        except (ValueError, LookupError, TypeError, QuadraError, EngineIOError) as error:
            reason = error.message if isinstance(error, QuadraError) else str(error)[:100]
            errors_total.labels(type(error).__name__, "socket").inc()
            access.info("socket.payload.refused", extra={"status": 400, "reason": reason})
            # by ourselves: the library waits until the client has taken what is queued, which it may never do
            self.server.sockets.pop(self.sid, None)
            self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_ERROR)
            raise EngineIOError("The body is no payload of packets.") from error

    decode._quadra = True  # type: ignore[attr-defined]
    Payload.decode = decode
    EngineSocket.handle_post_request = handle_post_request


def close_connections(socketio: SocketIO, loop: Loop) -> None:
    """Say `server:reconnect` and close every connection, so that clients come back (to another replica, or the next start).

    By ending the transport: a client that is told to leave its namespace stays away, and python-socketio's client also
    when it is told that Engine.IO closes.
    """
    sockets = list(socketio.server.eio.sockets.values())
    if sockets:
        message = {"reason": "restart", "within_ms": RECONNECT_MS}
        for namespace in NAMESPACES:  # to our own connections: the bus would carry it to every replica
            socketio.server.emit("server:reconnect", message, namespace=namespace, ignore_queue=True)
        _wait_until_fetched(sockets, loop)
        loop.sleep(0.1)  # their greenlets write it
    for connection in sockets:
        connection.close(wait=False, abort=True, reason=socketio.server.eio.reason.SERVER_DISCONNECT)
    if sockets:
        loop.sleep(0.1)  # their greenlets write what is left


def _wait_until_fetched(sockets: list[Any], loop: Loop) -> None:
    """Until every polling client has what is queued for it now, but at most FETCH_SECONDS."""
    newest = [(one, one.queue.queue[-1]) for one in sockets if not one.upgraded and one.queue.queue]
    until = time.monotonic() + FETCH_SECONDS
    while newest and time.monotonic() < until:
        loop.sleep(0.02)
        newest = [(one, packet) for one, packet in newest if not one.closed and packet in one.queue.queue]


class BusManager(PubSubManager):  # type: ignore[misc]
    """Socket.IO's own messages between replicas, over the bus.

    python-socketio's managers block and therefore want monkey-patched sockets; the bus has threads of its own, and only
    decoded messages reach the loop.
    """

    name = "quadra-bus"

    def __init__(self, bus: NoBus, loop: Loop):
        super().__init__(channel=TOPIC)
        self._bus = bus
        self._loop = loop
        self._incoming: list[Any] = []
        self._arrived = loop.waiter()
        bus.on(TOPIC, lambda message: loop.call_from_thread(lambda: self._hand_over(message)))

    def _publish(self, data: Any) -> None:
        self._bus.publish(TOPIC, data)

    def _listen(self) -> Iterator[Any]:
        while True:
            self._arrived.wait()
            self._arrived = self._loop.waiter()
            messages, self._incoming = self._incoming, []
            yield from messages

    def _hand_over(self, message: Any) -> None:
        self._incoming.append(message)
        self._arrived.set()
