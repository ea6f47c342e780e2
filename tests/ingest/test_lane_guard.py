"""What the fast lane takes for granted about eventlet, python-engineio and python-socketio. An upgrade that changes one of
these turns a test here red, before senders notice.
"""

from __future__ import annotations

import inspect
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import eventlet.websocket
import pytest
from engineio import packet as eio_packet
from engineio.socket import Socket
from eventlet.websocket import RFC6455WebSocket
from flask_socketio import SocketIO
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from socketio import Server
from websocket import WebSocket

from quadra.ingest.doors import lane
from quadra.ingest.doors.frames import frame
from tests.clients import connected, event
from tests.servers.quadra import QuadraProcess

SIGNATURES = {
    (RFC6455WebSocket, "_apply_mask"): ["data", "mask", "length", "offset"],
    (RFC6455WebSocket, "_pack_message"): ["self", "message", "masked", "continuation", "final", "control_code"],
    (RFC6455WebSocket, "__init__"): ["self", "sock", "environ"],
    (RFC6455WebSocket, "_iter_frames"): ["self"],
    (RFC6455WebSocket, "wait"): ["self"],
    (eventlet.websocket, "WebSocketWSGI"): ["handler"],
    (Socket, "_websocket_handler"): ["self", "ws"],
    (Socket, "poll"): ["self"],
    (Server, "_handle_eio_message"): ["self", "eio_sid", "data"],
    (Server, "_handle_event"): ["self", "eio_sid", "namespace", "id", "data"],
}


def named(part: tuple[Any, str]) -> str:
    return f"{part[0].__name__}.{part[1]}"


def test_every_private_part_that_the_lane_lists_is_looked_at_here() -> None:
    assert set(lane.PRIVATE_PARTS) == set(SIGNATURES)


@pytest.mark.parametrize("part", lane.PRIVATE_PARTS, ids=named)
def test_a_private_part_is_there_and_takes_what_the_lane_gives_it(part: tuple[Any, str]) -> None:
    owner, name = part
    found = inspect.signature(getattr(owner, name)).parameters
    wanted = SIGNATURES[part]
    if owner is RFC6455WebSocket and getattr(owner._pack_message, "_quadra", False):
        assert found  # the lane's own, in a process that has set it up
        return
    assert list(found)[: len(wanted)] == wanted
    assert all(
        one.default is not one.empty or one.kind is one.VAR_KEYWORD for one in list(found.values())[len(wanted) :]
    )


def test_the_server_keeps_what_the_lane_replaces_and_reads() -> None:
    server = Server(async_mode="threading")
    assert server._binary_packet == {}
    assert server.eio.sockets == {}
    handlers = server.eio.handlers
    assert handlers["message"] == server._handle_eio_message
    source = inspect.getsource(Server._handle_eio_message)
    assert "self._handle_event(" in source  # so that an instance's own attribute is what is called
    assert "self._binary_packet" in source


def test_an_engineio_socket_has_the_queue_and_the_flags_that_answers_go_by() -> None:
    found = Socket(Server(async_mode="threading").eio, "sid")
    assert (found.upgraded, found.closed) == (False, False)
    found.queue.put(eio_packet.Packet(eio_packet.MESSAGE, data="x"))
    assert found.queue.qsize() == 1
    assert "pkt.encode(" in inspect.getsource(Socket._websocket_handler)


def bytewise(data: bytes, mask: tuple[int, ...], offset: int) -> bytes:
    """RFC 6455, 5.3: octet i of the payload is masked with octet i MOD 4 of the key."""
    return bytes(byte ^ mask[(offset + at) % 4] for at, byte in enumerate(data))


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=70) | st.integers(0, 5_000).map(bytes),
    mask=st.tuples(*[st.integers(0, 255)] * 4),
    offset=st.integers(0, 9),
)
def test_unmasking_at_once_is_unmasking_byte_by_byte(data: bytes, mask: tuple[int, ...], offset: int) -> None:
    assert lane.unmask(data, mask, len(data), offset) == bytewise(data, mask, offset)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_a_frame_is_read_by_a_client_as_it_was_written(size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = WebSocket()
        client.sock, client.connected = theirs, True
        text = ("\u00e4" + "x" * size)[:size]
        sender = threading.Thread(target=ours.sendall, args=(frame(text) + frame("after"),))
        sender.start()
        assert client.recv() == text
        assert client.recv() == "after"
        sender.join()


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test only."""
    for name in ("_pack_message", "_apply_mask", "__init__", "wait"):
        monkeypatch.setattr(RFC6455WebSocket, name, RFC6455WebSocket.__dict__[name])
    monkeypatch.setattr(RFC6455WebSocket, "quadra_socket", None, raising=False)
    monkeypatch.setattr(Socket, "_websocket_handler", Socket._websocket_handler)
    lane.quicken_eventlet()


class Pieces:
    """A fake socket that gives at each read what one piece holds, or a part of it, and notes what is written."""

    def __init__(self, data: bytes, sizes: list[int]):
        self._data, self._sizes, self.sent = data, sizes, b""

    def recv(self, size: int) -> bytes:
        size = min(size, self._sizes.pop() if self._sizes else size)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown(self, _how: int) -> None: ...

    def close(self) -> None: ...


def masked(payload: bytes, opcode: int, *, key: bytes = b"\x01\x80\xff\x00", final: bool = True) -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 128 | size)
    else:
        length = struct.pack("!BH", 254, size) if size < 65_536 else struct.pack("!BQ", 255, size)
    return bytes([opcode | (128 if final else 0)]) + length + key + bytewise(payload, tuple(key), 0)


FRAMES = {
    "text": ([masked("3äß".encode(), 1)], ["3äß"]),
    "empty": ([masked(b"", 1)], [""]),
    "bytes": ([masked(b"\x00\xff", 2)], [b"\x00\xff"]),
    "long": ([masked(b"x" * 300, 1)], ["x" * 300]),
    "longer": ([masked(b"y" * 65_600, 1)], ["y" * 65_600]),
    "in parts": ([masked(b"a", 1, final=False), masked(b"", 9), masked(b"b", 0)], ["ab"]),
    "pong": ([masked(b"p", 10)], []),
}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.sampled_from(sorted(FRAMES)), max_size=8),
    sizes=st.lists(st.integers(1, 40) | st.integers(1, 70_000), max_size=40),
)
def test_messages_come_out_of_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, names: list[str], sizes: list[int]
) -> None:
    with monkeypatch.context() as patch:
        quicken(patch)
        sent = b"".join(one for name in names for one in FRAMES[name][0])
        made = RFC6455WebSocket(Pieces(sent, sizes), {}, extensions={}, max_frame_length=100_000)
        wanted: list[Any] = [message for name in names for message in cast(list[Any], FRAMES[name][1])]
        assert [made.wait() for _ in wanted] == wanted
        assert made.wait() is None


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (masked(b"x" * 101, 1), 1009),
        (masked(b"x", 3), 1002),
        (masked(b"\xff\xfe", 1), 1011),
        (masked(b"x", 0), 1002),
        (b"\xc1" + masked(b"x", 1)[1:], 1002),  # compressed, which nobody agreed on
    ],
)
def test_what_is_no_sound_frame_closes_the_connection_after_the_sound_ones(
    monkeypatch: pytest.MonkeyPatch, bad: bytes, status: int
) -> None:
    quicken(monkeypatch)
    source = Pieces(masked(b"good", 1) + bad + masked(b"never read", 1), [])
    made = RFC6455WebSocket(source, {}, extensions={}, max_frame_length=100)
    assert made.wait() == "good"
    with suppress(UnicodeDecodeError):
        assert made.wait() is None
    assert source.sent[:4] == struct.pack("!BBH", 0x88, len(source.sent) - 2, status)


def test_bytes_that_are_frames_already_pass_eventlet_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    made = RFC6455WebSocket(None, {}, extensions={})
    packed = lane.Frames(frame("one") + frame("two"))
    assert made._pack_message(packed) is packed
    assert made._pack_message("one") == frame("one")
    assert RFC6455WebSocket._apply_mask(b"abcd", (1, 2, 3, 4)) == bytewise(b"abcd", (1, 2, 3, 4), 0)


def test_a_bulk_of_answers_goes_through_the_queue_as_one_packet() -> None:
    server = Server(async_mode="threading")
    client = Socket(server.eio, "sid")
    client.connected = client.upgraded = True
    server.eio.sockets["sid"] = client
    server.eio.async_mode = "eventlet"
    lane.send_answers(server, "sid", ["31[1]", "32[2]"])
    assert lane.backlog(server, "sid") == 1
    assert client.queue.get().encode(b64=False) == frame("431[1]") + frame("432[2]")
    client.upgraded = False
    lane.send_answers(server, "sid", ["31[1]", "32[2]"])
    assert [client.queue.get().encode() for _ in range(2)] == ["431[1]", "432[2]"]
    lane.send_answers(server, "nobody", ["31[1]"])
    client.closed = True
    lane.send_answers(server, "sid", ["31[1]"])
    assert client.queue.empty()


@pytest.fixture
def polled() -> Callable[[int], list[int]]:
    def poll(count: int, *, upgraded: bool = False, closing: bool = False) -> list[int]:
        client = Socket(Server(async_mode="threading").eio, "sid")
        client.upgraded = upgraded
        for number in range(count):
            client.queue.put(eio_packet.Packet(eio_packet.MESSAGE, data=str(number)))
        if closing:
            client.queue.put(None)
        sizes = []
        while not client.queue.empty():
            sizes.append(len(lane.poll(client)))
            if sizes[-1] == 0:
                break
        return sizes

    return poll


def test_a_poll_is_answered_with_as_many_packets_as_a_client_takes(polled: Callable[..., list[int]]) -> None:
    assert polled(40) == [16, 16, 8]
    assert polled(40, upgraded=True) == [40]
    assert polled(17, closing=True) == [16, 1, 0]
    assert polled(0, closing=True) == [0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["a",1]', ("a", 1)),
        ('["a"]', ("a", None)),
        ("[]", ("", None)),
        ("[1,2]", ("1", 2)),
        ("[", ("", None)),
        ("[" * 5_000, ("", None)),
        ("nonsense", ("", None)),
    ],
)
def test_the_arguments_of_a_packet_are_read_or_found_to_be_none(text: str, found: tuple[str, Any]) -> None:
    assert lane.arguments(text) == found


def test_events_go_through_the_lane_and_not_through_the_library(quadra: QuadraProcess) -> None:
    """Where the library got an event, a client that asks for an acknowledgement would wait: it has no handler for it."""
    with connected(quadra) as client:
        for name, payload in (("user:event", event()), ("user:events", [event()]), ("unheard of", None)):
            assert isinstance(client.call(name, payload), dict)


def test_the_lane_hears_events_of_its_namespace_and_leaves_the_others_to_the_library() -> None:
    server = Server(async_mode="threading", async_handlers=False, namespaces="*")
    heard: list[Any] = []
    left: list[Any] = []
    server.on("said", lambda sid, payload: left.append(payload), namespace="/live")
    server._handle_event = lambda eio_sid, namespace, ack, data: left.append((namespace, data))  # type: ignore[method-assign]
    lane.tap(server, lambda *arguments: heard.append(arguments), lambda: None)
    server.manager.connect("sid", "/")
    receive = server.eio.handlers["message"]
    receive("sid", '2["user:event",{"a":1}]')
    receive("sid", '217["user:events",[]]')
    receive("sid", '2/,3["other",5]')
    receive("sid", '2/live,4["said",6]')
    receive("sid", '51-8["user:event",{"_placeholder":true,"num":0}]')
    receive("sid", b"\x00")
    assert heard == [
        ("sid", "user:event", None, '{"a":1}', None),
        ("sid", "user:events", 17, "[]", None),
        ("sid", "other", 3, None, 5),
        ("sid", "user:event", 8, None, b"\x00"),
    ]
    assert left == [("/live", ["said", 6])]
    assert json.dumps(heard[0][3])


def test_events_of_a_websocket_are_handed_over_before_the_library_makes_packets_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quicken(monkeypatch)
    server = Server(async_mode="threading", async_handlers=False)
    heard: list[Any] = []

    def hear(*arguments: Any) -> None:
        heard.append(arguments)
        raise ValueError("a mistake with an event does not end its connection")

    lane.tap(server, hear, lambda: None)
    texts = ('42["user:event",{"a":1}]', "3", '427["user:events",[]]', '42/live,["said"]', '451-["user:event",{}]', "2")
    given = Pieces(b"".join(masked(text.encode(), 1) for text in texts), [])
    made = RFC6455WebSocket(given, {}, extensions={}, max_frame_length=100)
    made.quadra_socket = Socket(server.eio, "sid")
    assert made.wait() == texts[0], "an upgrade that is not over is the library's"
    made.quadra_socket.upgraded = True
    assert [made.wait() for _ in range(4)] == [texts[1], *texts[3:]]
    assert heard == [("sid", "user:events", 7, "[]", None)]
    server._binary_packet["sid"] = object()
    assert not server.eio.quadra_take("sid", texts[0]), "while an event waits for its attachments"


def test_flask_socketio_hands_its_server_out() -> None:
    assert isinstance(SocketIO(async_mode="threading", manage_session=False).server, Server | None)
