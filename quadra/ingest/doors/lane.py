"""The fast lane: Socket.IO events straight from the frame to the writer, and acknowledgements many to one write.

It touches private parts of eventlet, python-engineio and python-socketio. Each touch is listed in `PRIVATE_PARTS`, and
tests/ingest/test_lane_guard.py fails when an upgrade changes one of them. Without the lane the same server takes a fifth as
many events (docs/benchmarks.md).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import eventlet.websocket
import orjson
from engineio import packet as eio_packet
from engineio.exceptions import QueueEmpty
from engineio.socket import Socket
from eventlet.websocket import RFC6455WebSocket
from socketio import Server
from socketio import packet as sio_packet

from quadra.core.web.http import MAX_BODY_BYTES
from quadra.ingest.doors.frames import Incoming, frame, mask

logger = logging.getLogger(__name__)

PRIVATE_PARTS = (
    (RFC6455WebSocket, "_apply_mask"),
    (RFC6455WebSocket, "_pack_message"),
    (RFC6455WebSocket, "__init__"),
    (RFC6455WebSocket, "_iter_frames"),
    (RFC6455WebSocket, "wait"),
    (eventlet.websocket, "WebSocketWSGI"),
    (Socket, "_websocket_handler"),
    (Socket, "poll"),
    (Server, "_handle_eio_message"),
    (Server, "_handle_event"),
)

MAX_POLLED = 16
"""Packets in one answer to a polling client. python-socketio's client hangs up on more, and 200 answers may wait."""

MOST_CHARACTERS = 128 * 1024
"""Of a packet that the library decodes on the loop: everything but an event's text."""
MOST_ATTACHMENTS = 100
SPACED = re.compile(r'\[\s*"(user:events?)"\s*,')

Message = Callable[[str, str, int | None, str | None, Any], None]
"""(engine.io sid, event name, ack id, payload text or None, payload where it had to be decoded)"""


class Frames(bytes):
    """WebSocket frames that are packed already."""


class AckPacket:
    """What an Engine.IO socket's queue holds for a bulk of answers: many Socket.IO packets, one write to the socket."""

    packet_type = eio_packet.MESSAGE
    data = ""
    binary = False

    def __init__(self, frames: Frames):
        self._frames = frames

    def encode(self, b64: bool = False) -> Frames:
        return self._frames


def unmask(data: bytes, key: tuple[int, ...], length: int | None = None, offset: int = 0) -> bytes:
    """What the library calls for a payload or a part of one."""
    shift = offset & 3
    return mask(data, bytes(key[shift:] + key[:shift]))


def quicken_eventlet() -> None:
    """Give eventlet's WebSocket a fast mask, let packed frames through, read frames out of large pieces, and hand events over
    without a packet of Engine.IO for each."""
    if getattr(RFC6455WebSocket._pack_message, "_quadra", False):
        return
    pack, begin, wait = RFC6455WebSocket._pack_message, RFC6455WebSocket.__init__, RFC6455WebSocket.wait
    handle = Socket._websocket_handler

    def pack_message(self: Any, message: Any, **options: Any) -> bytes:
        return message if type(message) is Frames else pack(self, message, **options)

    def begin_buffered(self: Any, sock: Any, *given: Any, **options: Any) -> None:
        begin(self, Incoming(sock), *given, **options)

    def wait_for_message(self: Any) -> Any:
        """Between two calls no message is begun: `_iter_frames` gives whole ones."""
        incoming, connection = self.socket, self.quadra_socket
        take = getattr(connection and connection.server, "quadra_take", None)
        while True:
            if incoming.is_empty and not self.websocket_closed:
                try:
                    incoming.fill()
                except Exception:
                    self.close(close_data=(1011, "Internal Server Error"))  # as `_iter_frames` does
                    raise
            message = incoming.message(self.max_frame_length)
            if message is None:
                return wait(self)
            if take is None or not connection.upgraded or type(message) is not str or not take(connection.sid, message):
                return message

    def handle_websocket(self: Any, ws: Any) -> Any:
        ws.quadra_socket = self
        return handle(self, ws)

    pack_message._quadra = True  # type: ignore[attr-defined]
    RFC6455WebSocket._pack_message = pack_message
    RFC6455WebSocket._apply_mask = staticmethod(unmask)
    RFC6455WebSocket.__init__ = begin_buffered
    RFC6455WebSocket.wait = wait_for_message
    RFC6455WebSocket.quadra_socket = None
    Socket._websocket_handler = handle_websocket


def tap(server: Server, message: Message, breathe: Callable[[], None]) -> None:
    """Have `message` called for every event that comes in on namespace `/`, before the library looks at it.

    What the library is to read is bounded here, and `breathe` is called before: it decodes on the loop and without a pause.
    `server._handle_eio_message` is what Engine.IO calls for each message, in the greenlet of the client that sent it.
    """
    pass_on = server._handle_eio_message
    handle_event = server._handle_event

    def take(eio_sid: str, data: str, begins: str = "42") -> bool:
        """Whether it was the packet of an event on `/`."""
        if not data.startswith(begins) or eio_sid in server._binary_packet:
            return False
        start = len(begins)
        at = data.find("[", start)
        ack = data[start:at]
        if at != start and not (0 < at < start + 21 and ack.isdecimal()):
            return False
        try:
            _dispatch(message, eio_sid, data, at, int(ack) if ack else None)
        except Exception:  # a mistake of ours does not end the connection; the library does the same
            logger.exception("socket.message.failed")
        return True

    def on_message(eio_sid: str, data: Any) -> None:
        if type(data) is str and take(eio_sid, data, "2"):
            return
        breathe()
        if _is_for_library(server, eio_sid, data):
            pass_on(eio_sid, data)
        else:
            message(eio_sid, "", None, None, None)

    def on_event(eio_sid: str, namespace: str | None, ack: int | None, data: list[Any] | None) -> None:
        if not data:
            message(eio_sid, "", ack, None, None)
        elif (namespace or "/") == "/":  # an event with binary attachments
            message(eio_sid, str(data[0]), ack, None, data[1] if len(data) > 1 else None)
        else:
            handle_event(eio_sid, namespace, ack, data)

    Socket.poll = poll
    server.eio.quadra_take = take
    server._handle_eio_message = on_message
    server._handle_event = on_event
    server.eio.on("message", on_message)


def poll(self: Any) -> list[Any]:
    """`Socket.poll`, the packets that wait for a client, with a bound where they become one body. [] ends the connection."""
    packets: list[Any] = []
    patience = self.server.ping_interval + self.server.ping_timeout
    try:
        while not packets or ((self.upgraded or len(packets) < MAX_POLLED) and not self.queue.empty()):
            packet = self.queue.get(timeout=patience)
            self.queue.task_done()
            if packet is None:
                if packets:
                    self.queue.put(None)
                break
            packets.append(packet)
    except self.server.get_queue_empty_exception():
        raise QueueEmpty from None
    return packets


def _is_for_library(server: Server, eio_sid: str, data: Any) -> bool:
    """The library logs a traceback for each text that is no packet: any client could fill the log."""
    begun = server._binary_packet.get(eio_sid)
    if begun is not None:
        return _is_attachment(server, eio_sid, begun, data)
    if type(data) is not str or len(data) > MOST_CHARACTERS:
        return False
    try:
        packet = server.packet_class(encoded_packet=data)
    except (ValueError, TypeError, IndexError):
        return False
    if packet.packet_type not in (sio_packet.BINARY_EVENT, sio_packet.BINARY_ACK):
        return packet.packet_type in (sio_packet.CONNECT, sio_packet.DISCONNECT, sio_packet.EVENT, sio_packet.ACK)
    known = server.manager.sid_from_eio_sid(eio_sid, packet.namespace or "/")
    return bool(known) and packet.attachment_count <= MOST_ATTACHMENTS


def _is_attachment(server: Server, eio_sid: str, begun: Any, data: Any) -> bool:
    """Whether `data` belongs to an event that waits for its attachments; one that grows too large is forgotten."""
    held = sum(map(len, begun.attachments))
    if type(data) is bytes and held + len(data) <= MAX_BODY_BYTES:
        return True
    del server._binary_packet[eio_sid]
    return False


def _dispatch(message: Message, eio_sid: str, data: str, at: int, ack: int | None) -> None:
    if data.startswith('["user:event",', at):
        message(eio_sid, "user:event", ack, data[at + 14 : -1], None)
    elif data.startswith('["user:events",', at):
        message(eio_sid, "user:events", ack, data[at + 15 : -1], None)
    elif (spaced := SPACED.match(data, at)) is not None:
        message(eio_sid, spaced[1], ack, data[spaced.end() : -1], None)
    elif len(data) > MOST_CHARACTERS:
        message(eio_sid, "", ack, None, None)
    else:
        name, payload = arguments(data[at:])
        message(eio_sid, name, ack, None, payload)


def arguments(text: str) -> tuple[str, Any]:
    """(event name, first argument) of a Socket.IO event packet; ("", None) where it is none."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "", None
    return (str(found[0]), found[1] if len(found) > 1 else None) if found else ("", None)


def send_answers(server: Server, eio_sid: str, answers: list[str]) -> None:
    """Send Socket.IO packets (already encoded) to a client: over a WebSocket in one write, over polling one by one.

    Never blocks: the client's own greenlet does the writing. A client that is gone is no error.
    """
    socket = server.eio.sockets.get(eio_sid)
    if socket is None or socket.closed:
        return
    if socket.upgraded and server.eio.async_mode == "eventlet":
        socket.queue.put(AckPacket(Frames(b"".join([frame("4" + answer) for answer in answers]))))
    else:
        for answer in answers:
            socket.queue.put(eio_packet.Packet(eio_packet.MESSAGE, data=answer))


def backlog(server: Server, eio_sid: str) -> int:
    """Packets that wait to be written to a client."""
    socket = server.eio.sockets.get(eio_sid)
    return 0 if socket is None else int(socket.queue.qsize())
