"""Connections that say nothing, half of it, or nonsense keep nobody out, in each server that Quadra runs on."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import psutil
import pytest
import websocket

from quadra.core.web.handshakes import MOST
from tests.clients import connected, event, send, send_raw
from tests.servers.keeper import Keeper
from tests.servers.quadra import GunicornProcess, QuadraProcess
from tests.waiting import eventually

FILES = 420
HALF = b"POST /api/events HTTP/1.1\r\nHost: a\r\nX-Half: "
SERVERS = {
    "eventlet": (QuadraProcess, {}),
    "gevent": (QuadraProcess, {"QUADRA_ASYNC_MODE": "gevent"}),
    "gunicorn": (GunicornProcess, {}),
}


class _FewFiles:
    most_files = FILES

    def _command(self) -> list[str]:
        command: list[str] = super()._command()  # type: ignore[misc]
        if "QUADRA_ASYNC_MODE" not in self._environment():  # type: ignore[attr-defined]
            return command
        return ["bash", "-c", f"ulimit -n {FILES}; exec {shlex.join(command)}"]  # it is not forked


class FewFiles(_FewFiles, QuadraProcess):
    pass


class FewFilesGunicorn(_FewFiles, GunicornProcess):
    pass


class Deafened(QuadraProcess):
    """Cuts its own listening socket off once a file named `deaf` lies in its directory."""

    def _command(self) -> list[str]:
        return [sys.executable, "-c", DEAFEN, *super()._command()[3:]]


DEAFEN = """
import os, pathlib, socket, threading, time
from quadra.cli import main

def deafen():
    while not pathlib.Path("deaf").exists():
        time.sleep(0.05)
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

threading.Thread(target=deafen, daemon=True).start()
main()
"""


def few(kind: type[QuadraProcess]) -> type[QuadraProcess]:
    return FewFilesGunicorn if kind is GunicornProcess else FewFiles


@pytest.fixture(scope="module", params=SERVERS)
def quadra(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[QuadraProcess]:
    kind, env = SERVERS[request.param]
    waits = {f"QUADRA_{name}_TIMEOUT": "3s" for name in ("HEADER", "BODY", "IDLE")}
    bounds = {**env, **waits, "QUADRA_CONNECTIONS_PER_ADDRESS": "30"}
    command = ("serve", "--no-worker") if kind is QuadraProcess else ()
    with closing(kind(keeper, bounds, command=command, cold=kind is GunicornProcess)) as process:
        yield process


def dial(quadra: QuadraProcess, first: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", quadra.port), timeout=90)
    connection.sendall(first)
    return connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("name", SERVERS)
def test_half_headers_where_few_files_may_be_open_keep_nobody_out(keeper: Keeper, name: str) -> None:
    kind, env = SERVERS[name]
    command = ("serve", "--no-worker") if kind is QuadraProcess else ()
    with closing(few(kind)(keeper, env, command=command)) as quadra, ExitStack() as stack:
        assert psutil.Process(quadra.pid).rlimit(psutil.RLIMIT_NOFILE) == (FILES, FILES)
        for _ in range(3):
            for _ in range(FILES):
                with suppress(OSError):
                    stack.enter_context(closing(dial(quadra, HALF)))
            assert send(quadra, body=event()).status == 200
        assert send(quadra, "/health/ready", method="GET", key=None).status == 200
        assert quadra.running


def test_a_head_that_does_not_come_to_its_end_is_closed(quadra: QuadraProcess) -> None:
    with ExitStack() as stack:
        for connection in [stack.enter_context(closing(dial(quadra, first))) for first in (b"", b"GET", HALF)]:
            assert b"200" not in heard(connection)


def test_a_head_that_drips_is_closed_as_well(quadra: QuadraProcess) -> None:
    def is_closed(connection: socket.socket) -> Callable[[], bool]:
        def drip() -> bool:
            try:
                connection.sendall(b"a")
            except OSError:
                return True
            time.sleep(0.1)
            return False

        return drip

    with closing(dial(quadra, HALF)) as connection:
        eventually(is_closed(connection))
    assert send(quadra, body=event()).status == 200
    assert "Traceback" not in quadra.log()


def test_a_body_that_does_not_come_is_408(quadra: QuadraProcess) -> None:
    """At each door, by a length and in chunks; all at once, because each takes as long as is waited for it."""
    key = quadra.init["write_key"].encode()
    first = b"POST %b HTTP/1.1\r\nHost: a\r\nX-Quadra-Key: %b\r\nContent-Type: application/json\r\n%b"
    heads = [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"]
    paths = [b"/api/events", b"/v1/batch", b"/api/auth/login"]
    with ExitStack() as stack:
        asked = {
            (path, head): stack.enter_context(closing(dial(quadra, first % (path, key, head))))
            for path in paths
            for head in heads
        }
        for which, connection in asked.items():
            answer = heard(connection)
            assert answer.split(b" ")[1] == b"408", (which, answer)
            assert b"too_slow" in answer, which


def test_a_connection_that_asks_nothing_more_is_closed(quadra: QuadraProcess) -> None:
    with closing(dial(quadra, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")) as connection:
        assert heard(connection).count(b"HTTP/1.1 200") == 1


def test_an_address_has_so_many_connections_and_more_once_some_are_closed(quadra: QuadraProcess) -> None:

    def told_of_one_more() -> bytes:
        """Nothing where a machine that stalls let the others be closed first."""
        with ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(closing(dial(quadra)))
            answer = heard(stack.enter_context(closing(dial(quadra))))
            return answer if b" 503 " in answer else b""

    in_shape(eventually(told_of_one_more), "unavailable")
    eventually(lambda: send(quadra, body=event()).status == 200)


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_a_server_that_takes_no_connections_any_more_ends(keeper: Keeper, mode: str) -> None:
    """Its supervisor starts it again. A process that lives on and takes nobody looks healthy from outside."""
    with closing(Deafened(keeper, {"QUADRA_ASYNC_MODE": mode}, command=("serve", "--no-worker"))) as quadra:
        assert send(quadra, body=event()).status == 200
        (quadra.directory / "deaf").touch()
        assert quadra.wait(90) == 1
        assert "server.accept.ended" in quadra.log()


def test_sessions_that_join_nothing_are_bounded_and_keep_nobody_out(quadra: QuadraProcess) -> None:
    """One request makes a session of Socket.IO, and nothing but a bound ends it soon."""
    ask = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n"
    with connected(quadra, transports=("polling",)) as early, closing(dial(quadra)) as connection:
        with connection.makefile("rb") as answers:
            for _ in range(15):
                connection.sendall(ask * 200)
                for _ in range(200):
                    assert b" 200 " in answers.readline()
                    while (line := answers.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            size = int(line.partition(b":")[2])
                    answers.read(size)
        assert sessions(quadra) <= MOST + 1
        assert early.call("user:event", event())["duplicate"] is False
        with connected(quadra, transports=("polling",)) as late:
            assert late.call("user:event", event())["duplicate"] is False


def sessions(quadra: QuadraProcess) -> float:
    text = send(quadra, "/metrics", method="GET", key=None).body.decode()
    return float(
        next(line for line in text.splitlines() if "_websocket_connections " in line and line[0] != "#").split()[1]
    )


@pytest.mark.parametrize("more", [b"", b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 99\r\n"])
def test_half_a_handshake_of_websocket_is_400(quadra: QuadraProcess, more: bytes) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + more
    answer = send_raw(quadra, b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n")
    assert answer.split(b" ")[1] == b"400"


@pytest.mark.parametrize("frame", ["x", ""])
def test_a_frame_that_is_no_packet_ends_its_session_without_a_traceback(quadra: QuadraProcess, frame: str) -> None:
    before = sessions(quadra)
    url = f"ws://127.0.0.1:{quadra.port}/socket.io/?EIO=4&transport=websocket"
    with closing(websocket.create_connection(url, timeout=90, suppress_origin=True)) as client:
        client.recv()
        client.send(frame)
        eventually(lambda: sessions(quadra) <= before)
    assert send(quadra, body=event()).status == 200
    assert "Traceback" not in quadra.log()


PAYLOADS = [b"\x1e".join([b"6"] * 10_001), b"x", b"\xff\xfe", b"9", b"4" + b"\x1e\x1e"]


@pytest.mark.parametrize("body", PAYLOADS, ids=range(len(PAYLOADS)))
def test_what_is_no_payload_of_a_polling_client_is_400_and_no_traceback(quadra: QuadraProcess, body: bytes) -> None:
    opened = send(quadra, "/socket.io/?EIO=4&transport=polling", method="GET", key=None)
    sid = json.loads(opened.body[1:])["sid"]
    answer = send(quadra, f"/socket.io/?EIO=4&transport=polling&sid={sid}", body, key=None, Content_Type="text/plain")
    assert answer.status == 400, answer.body
    assert send(quadra, body=event()).status == 200
    assert "Traceback" not in quadra.log()


CHUNKS = [
    b"x\r\n{}\r\n0\r\n\r\n",
    b"-1\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"1_0\r\n{}\r\n0\r\n\r\n",
    b"\r\n\r\n",
    b"2;" + b"a" * 5_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    b"1\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
]


@pytest.mark.parametrize("chunks", CHUNKS, ids=range(len(CHUNKS)))
@pytest.mark.parametrize(
    "path", ["/api/events", "/api/analytics/user/events/track", "/v1/batch", "/e/", "/api/auth/login"]
)
def test_chunks_that_are_none_are_400(quadra: QuadraProcess, path: str, chunks: bytes) -> None:
    assert raw(quadra, path, b"Transfer-Encoding: chunked\r\n", chunks).split(b" ")[1] == b"400"


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: x\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: " + b"9" * 5_000 + b"\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    ],
)
@pytest.mark.parametrize("path", ["/api/events", "/v1/batch", "/api/auth/login"])
def test_a_body_whose_end_nobody_knows_is_400_and_no_second_request(
    quadra: QuadraProcess, path: str, head: bytes
) -> None:
    answer = raw(quadra, path, head, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"413"), answer[:200]
    assert answer.count(b"HTTP/1.") == 1


REFUSALS = {
    "no request": (b"nonsense", "malformed"),
    "a version of three parts": (b"GET / HTTP/9.9.9", "malformed"),
    "a length that is none": (b"POST /api/events HTTP/1.1\r\nContent-Length: x", "malformed"),
    "a long address": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1", "address_too_long"),
    "a long header": (b"GET / HTTP/1.1\r\nCookie: " + b"a" * 70_000, "headers_too_large"),
    "many headers": (b"GET / HTTP/1.1" + b"\r\nA: b" * 9_000, "headers_too_large"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_request_is_refused_in_the_one_shape_and_closed(quadra: QuadraProcess, name: str) -> None:
    line, code = REFUSALS[name]
    in_shape(send_raw(quadra, line + b"\r\n\r\n"), code)
    assert send(quadra, body=event()).status == 200


def test_a_request_of_one_word_is_closed(quadra: QuadraProcess) -> None:
    answer = send_raw(quadra, b"GET\r\n\r\n")
    if answer:
        in_shape(answer, "malformed")


def test_who_asks_before_sending_a_body_is_told_to_go_on(quadra: QuadraProcess) -> None:
    with closing(
        dial(quadra, start(quadra, "/api/events") + b"Content-Length: 18\r\nExpect: 100-continue\r\n\r\n")
    ) as one:
        assert one.recv(100).startswith(b"HTTP/1.1 100 ")
        one.sendall(b'{"event_type":"a"}')
        assert b"200 OK" in heard(one)


def in_shape(answer: bytes, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "fields", "request_id"}
    assert error["code"] == code, head
    assert f"X-Request-ID: {error['request_id']}".encode() in head
    assert b"Content-Type: application/json" in head
    assert f"Content-Length: {len(body)}".encode() in head
    status = {"malformed": b"400", "address_too_long": b"414", "headers_too_large": b"431", "unavailable": b"503"}
    assert head.split(b" ")[1] == status[code]


def test_a_million_chunks_of_one_byte_stop_nobody(quadra: QuadraProcess) -> None:
    with closing(dial(quadra)) as connection:
        connection.sendall(start(quadra, "/api/events") + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(0.2)
        with suppress(OSError):
            connection.sendall(b"1\r\n[\r\n" * 300_000)
        assert send(quadra, body=event()).status == 200


def start(quadra: QuadraProcess, path: str) -> bytes:
    key = quadra.init["write_key"]
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nX-Quadra-Key: {key}\r\nContent-Type: application/json\r\n".encode()


def raw(quadra: QuadraProcess, path: str, head: bytes, body: bytes) -> bytes:
    with closing(dial(quadra, start(quadra, path) + head + b"\r\n" + body)) as connection:
        return heard(connection)
