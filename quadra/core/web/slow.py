"""Cut off clients that do not read what they are sent.

Engine.IO queues without a bound for each client until a ping goes unanswered for 40 s; a few browsers that were put to sleep
in front of a busy project could take the memory of everybody. Whoever is cut off comes back and catches up by its cursor.
"""

from __future__ import annotations

import logging
import socket as sockets
from contextlib import suppress
from typing import Any

from engineio.socket import Socket
from socketio import Server

from quadra.core.observing.metrics import errors_total
from quadra.core.web.loop import Loop

logger = logging.getLogger(__name__)
access = logging.getLogger("quadra.access")

LOOK_SECONDS = 1.0
MOST_PACKETS = 1_000
MOST_BYTES = 4 * 2**20
FEW = 20
"""Packets that nobody weighs."""
PRIVATE_PARTS = ((Socket, "_websocket_handler"),)


def watch(server: Server, loop: Loop) -> None:
    """Look at every client once a second, for as long as the process runs. On the loop."""
    _remember_websockets()
    loop.spawn(_watch_for_ever, server, loop)


def _watch_for_ever(server: Server, loop: Loop) -> None:
    while True:
        loop.sleep(LOOK_SECONDS)
        for connection in list(server.eio.sockets.values()):
            try:
                cut_off_if_slow(connection)
            except Exception:
                logger.exception("live.client.not_cut")


def cut_off_if_slow(connection: Any) -> bool:
    """Whether the client was so far behind that it was cut off."""
    count = connection.queue.qsize()
    if connection.closed or count <= FEW:
        return False
    waiting = sum(len(packet.data or "") for packet in list(connection.queue.queue) if packet is not None)
    if count <= MOST_PACKETS and waiting <= MOST_BYTES:
        return False
    logger.warning("live.client.cut", extra={"packets": count, "bytes": waiting})
    connection.close(wait=False, abort=True, reason=connection.server.reason.TRANSPORT_ERROR)
    while not connection.queue.empty():  # its greenlets may hang in a write for a while; what it was to get goes now
        connection.queue.get(block=False)
        connection.queue.task_done()
    connection.queue.put(None)
    websocket = getattr(connection, "quadra_websocket", None)
    under = getattr(websocket, "socket", None) or getattr(getattr(websocket, "ws", None), "sock", None)
    if under is not None:
        with suppress(OSError):
            under.shutdown(sockets.SHUT_RDWR)
    return True


def _remember_websockets() -> None:
    """Engine.IO does not keep the WebSocket of a connection, which must be closed under it."""
    original = Socket._websocket_handler
    if getattr(original, "_quadra", False):
        return

    def handler(self: Any, ws: Any) -> Any:
        self.quadra_websocket = ws
        try:
            return original(self, ws)
        except (
            ValueError,
            LookupError,
            TypeError,
        ) as error:  # a frame that is no packet: the library leaves its session open
            errors_total.labels(type(error).__name__, "socket").inc()
            access.info("socket.frame.refused", extra={"reason": str(error)[:100]})
            self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_ERROR)
            return []

    handler._quadra = True  # type: ignore[attr-defined]
    Socket._websocket_handler = handler
