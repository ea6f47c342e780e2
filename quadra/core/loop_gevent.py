"""The event loop's verbs by gevent, for QUADRA_ASYNC_MODE=gevent. Nothing is monkey-patched here either."""

from __future__ import annotations

import logging
import socket
from typing import Any

import gevent
import gevent.event
import gevent.pywsgi
import gevent.socket

logger = logging.getLogger("quadra.core.server")
access = logging.getLogger("quadra.access")

spawn = gevent.spawn
sleep = gevent.sleep
Waiter = gevent.event.Event
wait_readable = gevent.socket.wait_read


class Handler(gevent.pywsgi.WSGIHandler):  # type: ignore[misc]
    """Says of a request that cannot be read no more than so: its base logs what it could not read, and with it the key that
    may stand there."""

    def log_error(self, msg: str, *args: Any) -> None:
        access.info("http.request.refused", extra={"status": 400})


class Server:
    """A WSGI server on a listening socket."""

    def __init__(self, listener: socket.socket, app: Any):
        own = gevent.socket.socket(fileno=listener.detach())
        self._server = gevent.pywsgi.WSGIServer(own, app, log=None, error_log=logger, handler_class=Handler)

    def start(self) -> None:
        self._server.start()

    def stop(self, seconds: float) -> None:
        """Take no new connections, give the others `seconds` to end."""
        self._server.stop(timeout=seconds)
