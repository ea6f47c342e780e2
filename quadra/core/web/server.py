"""Serve HTTP and WebSockets on the event loop: the same server under `quadra serve` and under gunicorn.

gunicorn's own eventlet worker monkey-patches the whole process and is gone since its version 26; `EventLoopWorker` is
this server inside gunicorn's process management (`worker_class` in deploy/gunicorn.conf.py).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from quadra.core import collector
from quadra.core.connections import bounds_of, raise_file_limit
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Server, favour_latency, until_next

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 8
LOOK_SECONDS = 1.0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    raise_file_limit()
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


def run_until_told(runtime: Runtime, server: Server) -> None:
    """Serve until SIGTERM or SIGINT, then leave in order: no new connections, flush, answer, say goodbye."""
    loop = runtime.loop
    stop = loop.waiter()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_from_thread(stop.set))
    begin(runtime, server)
    while server.alive and not stop.wait(until_next(LOOK_SECONDS)):
        pass
    if failed := not server.alive:
        logger.critical("server.accept.ended")  # a process that takes nobody must not look alive
    drain(runtime)
    finish(runtime, server)
    if failed:
        sys.exit(1)


def begin(runtime: Runtime, server: Server) -> None:
    favour_latency()
    runtime.loop.start()
    for function in runtime.on_start:
        function()
    collector.spare()
    server.start()


def drain(runtime: Runtime, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Go on serving for DRAIN_DELAY while `/health/ready` says no, so that balancers send nothing new."""
    runtime.draining = True
    until = time.monotonic() + runtime.settings.drain_delay.total_seconds()
    while time.monotonic() < until:
        meanwhile()
        runtime.loop.sleep(min(0.5, max(0.0, until - time.monotonic())))


def finish(runtime: Runtime, server: Server) -> None:
    for function in runtime.on_stop:
        function()
    server.stop(DRAIN_SECONDS)


class EventLoopWorker(Worker):  # type: ignore[misc]
    """The gunicorn worker. One per process: Socket.IO clients must come back to the process that knows them."""

    def init_process(self) -> None:
        if self.cfg.workers != 1:
            sys.stderr.write(
                f"Quadra does not start: gunicorn was asked for {self.cfg.workers} workers. Socket.IO clients must come "
                "back to the process that knows them: run one worker (--workers 1), and more replicas behind a balancer.\n"
            )
            sys.exit(Arbiter.APP_LOAD_ERROR)
        super().init_process()

    def run(self) -> None:
        app = self.wsgi
        runtime: Runtime = app.extensions["quadra"]
        loop = runtime.loop
        listener = self.sockets[0].sock
        listener.setblocking(False)
        raise_file_limit()
        server = loop.server(listener, app, bounds_of(runtime.settings))
        begin(runtime, server)
        while self.alive and self.ppid == os.getppid() and server.alive:
            self.notify()
            loop.sleep(0.5)
        drain(runtime, self.notify)
        finish(runtime, server)

    def init_signals(self) -> None:
        super().init_signals()
        # gunicorn's own handlers for these end the process at once; the loop above must see `alive` instead
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.alive = False
