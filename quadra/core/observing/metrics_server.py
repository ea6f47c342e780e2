"""`/metrics` of a process that serves nothing else: a worker by itself. Plain threads; the web process does without this."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from quadra.core.errors import Misconfigured
from quadra.core.observing.scrape import CONTENT_TYPE, write
from quadra.core.settings import Settings

PATH = "/metrics"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """A line for each scrape says nothing."""


def start(settings: Settings, port: int) -> None:
    """Answer on `port` of QUADRA_HOST until the process ends. Raises `Misconfigured` where the port is taken."""
    try:
        kind = _ServerOnIPv6 if ":" in settings.host else _Server
        server = make_server(settings.host, port, _app(settings.metrics_allow), kind, _Quiet)
    except OSError as error:
        raise Misconfigured(
            f"QUADRA_WORKER_METRICS_PORT={port}: cannot listen on {settings.host}:{port}: {error.strerror}."
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics-server", daemon=True).start()


def allowed(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """This machine itself, or one of the networks. On a socket for both kinds 127.0.0.1 is written ::ffff:127.0.0.1."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed.is_loopback or any(parsed in network for network in networks)


def _app(networks: Iterable[IPv4Network | IPv6Network]) -> Any:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] != PATH:
            status, body = "404 Not Found", b"Only /metrics is here.\n"
        elif not allowed(environ["REMOTE_ADDR"], networks):
            status, body = "403 Forbidden", b"Metrics need a network of QUADRA_METRICS_ALLOW.\n"
        else:
            status, body = "200 OK", write([])
        start_response(status, [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [body]

    return answer
