"""The balancers' configurations that we ship, in the real programs: what a client says of itself goes no further, and
`/metrics` is hidden however it is spelt.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.clients import Answer, send
from tests.conftest import _start
from tests.servers.balancers import Balancer, HaproxyServer, NginxServer
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

BALANCERS = pytest.mark.parametrize("kind", [HaproxyServer, NginxServer], ids=["HAProxy", "nginx"])
LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "x-forwarded-for": "203.0.113.8, 127.0.0.1",
    "X_Forwarded_For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X_Forwarded_Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X_Forwarded-Host": "evil.example",
    "X-Real-IP": "203.0.113.6",
    "Forwarded": "for=203.0.113.5;proto=https;host=evil.example",
}
METRICS = [
    "/metrics",
    "//metrics",
    "///metrics",
    "/%6detrics",
    "/%6D%65trics",
    "/metric%73",
    "/./metrics",
    "/%2e/metrics",
    "//./metrics",
    "/metrics/",
    "/metrics//",
    "/%2fmetrics",
    "/%2Fmetrics",
    "/metrics%2f",
    "/live/../metrics",
    "/live/%2e%2e/metrics",
    "/metrics?name=x",
    "/metrics/?",
    "/metrics/.",
    "/metrics/../metrics",
    "http://quadra.example/metrics",
    "http://quadra.example//metrics",
]


class Echo(BaseHTTPRequestHandler):
    """Answers with what arrived: the address of nobody is guessed from an effect."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": self.headers.items()}).encode()
        # in one piece: HAProxy's check reads once and goes
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the tests look at answers."""


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    """The balancer is trusted, and everybody whose address is this machine's may read the metrics: only the block is left."""
    with closing(QuadraProcess(keeper, {"QUADRA_TRUSTED_PROXIES": "127.0.0.1"})) as process:
        yield process


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def balancer(stack: ExitStack, keeper: Keeper, kind: type[Balancer], port: int) -> Balancer:
    found = stack.enter_context(closing(_start(kind, keeper, replicas={"web-a": port, "web-b": port})))
    eventually(lambda: raw(found, "/health/ready").startswith(b"HTTP/1.1 200"))
    return found


def raw(target: Balancer | QuadraProcess, path: str, *headers: str) -> bytes:
    """What comes back for a request that no client library tidied up."""
    lines = [f"GET {path} HTTP/1.1", "Host: quadra.example", "Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", target.port), timeout=90) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


@BALANCERS
def test_what_a_client_says_of_itself_does_not_reach_a_backend_that_echoes(
    kind: type[Balancer], echo: int, keeper: Keeper, stack: ExitStack
) -> None:
    found = balancer(stack, keeper, kind, echo)
    answer = raw(found, "/live", *(f"{name}: {value}" for name, value in LIES.items()))
    arrived: dict[str, list[str]] = {}
    for name, value in json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]:
        arrived.setdefault(name.lower().replace("_", "-"), []).append(value)
    assert arrived["x-forwarded-for"] == ["127.0.0.1"]
    assert arrived["x-forwarded-proto"] == ["http"]
    assert arrived["x-forwarded-host"] == ["quadra.example"]
    assert not {"x-real-ip", "forwarded"} & set(arrived)


@BALANCERS
def test_other_headers_and_odd_paths_reach_a_backend_that_echoes_as_they_were_sent(
    kind: type[Balancer], echo: int, keeper: Keeper, stack: ExitStack
) -> None:
    found = balancer(stack, keeper, kind, echo)
    path = "/user?id=a%2Fb..c&next=/metrics"
    told = json.loads(raw(found, path, "X-Quadra-Key: qk_1", "traceparent: 00-1").partition(b"\r\n\r\n")[2])
    assert told["path"] == path
    names = {name.lower(): value for name, value in told["headers"]}
    assert names["x-quadra-key"] == "qk_1"
    assert names["traceparent"] == "00-1"
    for other in ("/user/a%2Fb", "/metrics.html", "/x/metrics", "/e/..x"):
        assert raw(found, other).startswith(b"HTTP/1.1 200"), other


@BALANCERS
def test_metrics_are_hidden_however_their_path_is_spelt(
    kind: type[Balancer], quadra: QuadraProcess, keeper: Keeper, stack: ExitStack
) -> None:
    assert b"http_requests_total" in raw(quadra, "/metrics")
    found = balancer(stack, keeper, kind, quadra.port)
    for path in METRICS:
        answer = raw(found, path)
        assert answer.split()[1] in (b"400", b"404"), path
        assert b"http_requests_total" not in answer, path


@BALANCERS
def test_a_client_that_changes_its_forwarded_address_is_counted_as_one(
    kind: type[Balancer], quadra: QuadraProcess, keeper: Keeper, stack: ExitStack
) -> None:
    found = balancer(stack, keeper, kind, quadra.port)

    def ask(number: int) -> Answer:
        headers = {"X_Forwarded_For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
        return send(found, "/login", method="GET", key=None, **headers)  # type: ignore[arg-type]

    left = [int(ask(number).headers["RateLimit-Remaining"]) for number in range(4)]
    assert left == list(range(left[0], left[0] - 4, -1))


@BALANCERS
def test_no_key_of_an_address_and_no_share_link_stands_in_a_balancers_log(
    keeper: Keeper, stack: ExitStack, echo: int, kind: type[Balancer]
) -> None:
    """nginx's error log is excepted, and says so: it is written where a replica does not answer."""
    through = balancer(stack, keeper, kind, echo)
    for path in ("/api/events?key=qk_secret", "//share/secret", "/share/secret/data/a?b=secret", "/seen?key=secret"):
        assert raw(through, path, "Referer: http://a/?key=secret").startswith(b"HTTP/1.1 200")
    eventually(lambda: "/seen" in through.log())
    assert "/share/***" in through.log()
    assert "secret" not in through.log()
