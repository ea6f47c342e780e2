"""A key in an address gets into no log, whatever is wrong with the request that carries it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.keeper import Keeper
from tests.servers.quadra import GunicornProcess, QuadraProcess

LOUD = {"QUADRA_LOG_LEVEL": "DEBUG"}
SERVERS = {
    "eventlet": (QuadraProcess, LOUD, ("serve", "--no-worker")),
    "gevent": (QuadraProcess, {**LOUD, "QUADRA_ASYNC_MODE": "gevent"}, ("serve", "--no-worker")),
    "gunicorn": (GunicornProcess, LOUD, ("--log-level", "debug", "--access-logfile", "-")),
}
KEYS = ("qk_Zv8hunter22hunter22hunter22", "phc_hunter22hunter22", "hunter22")
"""Quadra's own, one of another product, and what somebody made up."""
HOST = "Host: localhost\r\nConnection: close\r\n"
REQUESTS = {
    "an event with a wrong key": f"POST /api/events?key=KEY HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\n{{}}",
    "an event that is no JSON": f"POST /api/events?key=KEY HTTP/1.1\r\n{HOST}Content-Length: 1\r\n\r\n{{",
    "a page": f"GET /login?key=KEY HTTP/1.1\r\n{HOST}\r\n",
    "a question": f"GET /api/analytics/overview?key=KEY HTTP/1.1\r\n{HOST}Authorization: Bearer KEY\r\n\r\n",
    "no route": f"GET /nothing/KEY?api_key=KEY HTTP/1.1\r\n{HOST}\r\n",
    "a wrong method": f"BREW /api/events?key=KEY HTTP/1.1\r\n{HOST}\r\n",
    "a socket that may not": f"GET /socket.io/?EIO=4&transport=polling&key=KEY HTTP/1.1\r\n{HOST}\r\n",
    "from a page with a key": f"GET /login HTTP/1.1\r\n{HOST}Referer: https://shop.example/?key=KEY\r\n\r\n",
    "a line that is too long": f"GET /?key=KEY&{'x' * 70_000} HTTP/1.1\r\n{HOST}\r\n",
    "a header that is too long": f"GET /?key=KEY HTTP/1.1\r\n{HOST}X-Long: {'x' * 200_000}\r\n\r\n",
    "too many headers": f"GET /?key=KEY HTTP/1.1\r\n{HOST}{'A: b' + chr(13) + chr(10)}" + "A: b\r\n" * 500 + "\r\n",
    "no version": "GET /?key=KEY\r\n\r\n",
    "a version that is none": f"GET /?key=KEY HTTP/9.x\r\n{HOST}\r\n",
    "two blanks": f"GET  /?key=KEY  HTTP/1.1\r\n{HOST}\r\n",
    "words instead of a request": "key=KEY ?key=KEY &key=KEY\r\n\r\n",
    "a header without a colon": f"GET /?key=KEY HTTP/1.1\r\n{HOST}?key=KEY\r\n\r\n",
    "a wrong length": f"POST /api/events?key=KEY HTTP/1.1\r\n{HOST}Content-Length: x\r\n\r\n{{}}",
    "a wrong chunk": f"POST /api/events?key=KEY HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nxyz?key=KEY\r\n",
    "a body that breaks off": f"POST /api/events?key=KEY HTTP/1.1\r\n{HOST}Content-Length: 99\r\n\r\n{{",
    "a byte that is no text": f"GET /\xff?key=KEY HTTP/1.1\r\n{HOST}\r\n",
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, keeper: Keeper) -> Iterator[QuadraProcess]:
    kind, env, command = SERVERS[request.param]
    with closing(kind(keeper, env, command=command)) as process:
        yield process


def test_a_key_in_an_address_gets_into_no_log(server: QuadraProcess) -> None:
    for text in REQUESTS.values():
        for key in KEYS:
            say(server.port, text.replace("KEY", key).encode("latin-1"))
    server.stop()  # what waits to be written is written
    lines = server.log().splitlines()
    assert any("http.request.served" in line for line in lines), "nothing was logged, so nothing is shown"
    assert [line for line in lines if "hunter22" in line] == []


def say(port: int, request: bytes) -> bytes:
    """Whatever comes back; some of these requests are answered by closing the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=90) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65_536)
        except OSError:
            return b""
