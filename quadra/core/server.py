"""Serve HTTP and WebSockets on the event loop: the same server under `quadra serve` and under gunicorn.

gunicorn's own eventlet worker monkey-patches the whole process and is gone since its version 26; `EventLoopWorker` is
this server inside gunicorn's process management (`worker_class` in deploy/gunicorn.conf.py).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import Any

from gunicorn.workers.base import Worker

from quadra.core.http import WSGIApp
from quadra.core.loop import Loop, favour_latency

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 8


class Server:
    """A WSGI server on one listening socket."""

    def __init__(self, listener: socket.socket, app: WSGIApp, loop: Loop):
        self._listener = listener
        self._app = app
        self._loop = loop
        self._handle: Any = None

    def start(self) -> None:
        if self._loop.mode == "gevent":
            import gevent.pywsgi

            self._handle = gevent.pywsgi.WSGIServer(self._listener, self._app, log=None, error_log=logger)
            self._handle.start()
        else:
            import eventlet.greenio
            import eventlet.wsgi

            listener = eventlet.greenio.GreenSocket(self._listener)
            self._handle = self._loop.spawn(
                eventlet.wsgi.server, listener, self._app, log=logger, log_output=False, debug=False, max_size=20_000
            )

    def stop(self, seconds: float) -> None:
        """Take no new connections, close idle ones, give the others `seconds` to end."""
        if self._loop.mode == "gevent":
            self._handle.stop(timeout=seconds)
            return
        ended = self._loop.waiter()
        self._handle.link(lambda _thread: ended.set())
        self._handle.kill()
        ended.wait(seconds)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def run_until_told(loop: Loop, server: Server, app: Any) -> None:
    """Serve until SIGTERM or SIGINT, then leave in order: no new connections, flush, answer, say goodbye.

    `app.on_start` and `app.on_stop` are lists of functions that run on the loop.
    """
    stop = loop.waiter()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_from_thread(stop.set))
    begin(loop, server, app)
    stop.wait()
    finish(server, app)


def begin(loop: Loop, server: Server, app: Any) -> None:
    favour_latency()
    loop.start()
    for function in app.extensions["quadra.on_start"]:
        function()
    server.start()


def finish(server: Server, app: Any) -> None:
    for function in app.extensions["quadra.on_stop"]:
        function()
    server.stop(DRAIN_SECONDS)


class EventLoopWorker(Worker):  # type: ignore[misc]
    """The gunicorn worker. One per process: Socket.IO clients must come back to the process that knows them."""

    def run(self) -> None:
        app = self.wsgi
        runtime = app.extensions["quadra"]
        loop: Loop = runtime.loop
        listener = self.sockets[0].sock
        listener.setblocking(False)
        server = Server(listener, app, loop)
        begin(loop, server, app)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop.sleep(0.5)
        finish(server, app)

    def init_signals(self) -> None:
        super().init_signals()
        # gunicorn's own handlers for these end the process at once; the loop above must see `alive` instead
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.alive = False
