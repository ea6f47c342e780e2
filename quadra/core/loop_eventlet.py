"""The event loop's verbs by eventlet, the default. Nothing is monkey-patched: eventlet's own sockets are used directly."""

from __future__ import annotations

import logging
import socket
from typing import Any

import eventlet
import eventlet.event
import eventlet.greenio
import eventlet.hubs
import eventlet.wsgi

logger = logging.getLogger("quadra.core.server")
access = logging.getLogger("quadra.access")

spawn = eventlet.spawn
sleep = eventlet.sleep


class Waiter:
    """A one-shot event."""

    def __init__(self) -> None:
        self._event = eventlet.event.Event()

    def set(self) -> None:
        if not self._event.ready():
            self._event.send(True)

    def wait(self, timeout: float | None = None) -> bool:
        if not self._event.ready():
            with eventlet.Timeout(timeout, False):
                self._event.wait()
        return bool(self._event.ready())


def wait_readable(fd: int) -> None:
    eventlet.hubs.trampoline(fd, read=True)


class Closing(Exception):
    """Thrown into the greenlet that waits for connections."""


class Listener(eventlet.greenio.GreenSocket):  # type: ignore[misc]
    """A listening socket that is closed without losing those who have connected already.

    What lies in the kernel's queue when a listening socket is closed gets a reset, though the kernel had accepted it: a
    balancer takes that for an answer that broke off, and cannot know whether to try again. A refusal it can.
    """

    _closing = False

    def accept(self) -> Any:
        if not self._closing:
            try:
                return super().accept()
            except Closing:
                self._closing = True
        try:
            connection, address = self.fd.accept()
        except OSError:  # nobody waits any more
            self.close()
            eventlet.sleep(REQUEST_SECONDS)
            raise SystemExit from None  # what ends eventlet's loop
        connection.setblocking(False)
        return eventlet.greenio.GreenSocket(connection), address


REQUEST_SECONDS = 0.2
"""For those who have just connected to say what they want: a connection that has said nothing yet counts as idle."""


class Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """Says of a request that no answer of ours was made for no more than its status: the base class writes its first line to
    standard error, and with it the key that may stand there."""

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        access.info("http.request.refused", extra={"status": int(code) if str(code).isdecimal() else 0})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its base's name)
        """What `log_request` says is enough."""


class Server:
    """A WSGI server on a listening socket."""

    def __init__(self, listener: socket.socket, app: Any):
        self._listener = Listener(listener)
        self._app = app
        self._greenlet: Any = None

    def start(self) -> None:
        options = {"log": logger, "log_output": False, "debug": False, "max_size": 20_000, "protocol": Protocol}
        self._greenlet = eventlet.spawn(eventlet.wsgi.server, self._listener, self._app, **options)

    def stop(self, seconds: float) -> None:
        """Take no new connections, close idle ones, give the others `seconds` to end."""
        ended = Waiter()
        self._greenlet.link(lambda _greenlet: ended.set())
        self._greenlet.kill(Closing)
        ended.wait(seconds)
