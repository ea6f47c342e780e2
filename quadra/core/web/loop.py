"""The event loop, and the one bridge between it and native threads.

Quadra does not monkey-patch. Sockets, HTTP parsing and the accept path run as greenlets on one loop (eventlet, or gevent
with ASYNC_MODE=gevent); everything that blocks (databases, DuckDB, password hashes, Redis) is plain Python on native
threads. A greenlet waits for a thread with `Threads.run`; nothing else crosses. See docs/decisions/0002.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from quadra.core.connections import Bounds, Connections

T = TypeVar("T")
NO_BOUNDS = Bounds()
SWEEP_SECONDS = 1.0


class Waiter(Protocol):
    """A one-shot event of the loop: greenlets wait, another greenlet sets."""

    def set(self) -> None: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Server(Protocol):
    """A WSGI server on the loop."""

    @property
    def alive(self) -> bool:
        """Whether it takes connections."""
        ...

    def start(self) -> None: ...
    def stop(self, seconds: float) -> None: ...


class Loop:
    """The greenlet library of this process, as few verbs (see loop_eventlet.py; the one not chosen is not imported)."""

    def __init__(self, mode: str):
        self.mode = mode
        self._library: Any = importlib.import_module(f"quadra.core.web.loop_{mode}")
        self.spawn: Callable[..., Any] = self._library.spawn
        self.sleep: Callable[[float], None] = self._library.sleep
        self._calls: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._wake_pending = False
        self._bridge: Any = None

    def waiter(self) -> Waiter:
        waiter: Waiter = self._library.Waiter()
        return waiter

    def server(self, listener: socket.socket, app: Any, bounds: Bounds = NO_BOUNDS) -> Server:
        """A WSGI server of this loop; takes the listening socket over."""
        connections = Connections(bounds)
        server: Server = self._library.Server(listener, _unfolding(app), connections)
        self.spawn(self._sweep, connections)
        return server

    def _sweep(self, connections: Connections) -> None:
        while True:
            self.sleep(until_next(SWEEP_SECONDS))
            connections.sweep()

    def start(self) -> None:
        """Begin to take calls from threads. Call once, on the loop's own thread."""
        if self._bridge is None:
            self._bridge = self.spawn(self._take_calls)

    def call_from_thread(self, function: Callable[[], None]) -> None:
        """Have the loop call `function` soon. Safe from any thread; `function` must not block."""
        self._calls.append(function)
        if not self._wake_pending:
            self._wake_pending = True
            try:
                os.write(self._wake_write, b"!")
            except BlockingIOError:
                return  # the pipe is full of wake-ups already

    def _take_calls(self) -> None:
        while True:
            self._library.wait_readable(self._wake_read)
            try:
                os.read(self._wake_read, 4096)
            except BlockingIOError:
                continue
            # cleared before the deque is read: a call that comes now either is read below or wakes again
            self._wake_pending = False
            while self._calls:
                self._calls.popleft()()


class Threads:
    """A few native threads that greenlets hand blocking calls to.

    Each has its own number of threads so that one kind of work cannot starve another: the writer's single thread is never
    behind a slow question.
    """

    def __init__(self, loop: Loop, size: int, name: str):
        self._loop = loop
        self._size = size
        self._name = name
        self._work: SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]] | None] = (
            SimpleQueue()
        )
        self._started: list[threading.Thread] = []

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `function` on a native thread and wait for it without blocking the loop. Its errors come out here."""
        return self.run_within(None, function, *args, **kwargs)

    def run_within(self, seconds: float | None, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """`run` that waits so long and no longer. Raises `TimeoutError`; the call itself goes on and nobody hears of it."""
        done = self._loop.waiter()
        outcome: list[Any] = [None, None]

        def settle(result: Any, error: BaseException | None) -> None:
            outcome[:] = result, error
            done.set()

        self.submit(lambda: function(*args, **kwargs), settle)
        if not done.wait(seconds):
            raise TimeoutError
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    def submit(self, work: Callable[[], Any], settle: Callable[[Any, BaseException | None], None]) -> None:
        """Call `work` on a native thread, then `settle(result, error)` on the loop."""
        if len(self._started) < self._size:
            thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._started)}", daemon=True)
            self._started.append(thread)
            thread.start()
        self._work.put((work, settle))

    def stop(self) -> None:
        for _ in self._started:
            self._work.put(None)

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, settle = item
            try:
                result, error = work(), None
            except BaseException as caught:  # carried to the greenlet that waits, which raises it
                result, error = None, caught
            self._loop.call_from_thread(lambda r=result, e=error, s=settle: s(r, e))  # type: ignore[misc]
            del item, work, settle, result, error


def _unfolding(app: Any) -> Any:
    """`app` without headers of more than one line: one that is echoed would end the answer's own header there."""

    def run(environ: dict[str, Any], start_response: Any) -> Any:
        for name, value in environ.items():
            if name.startswith("HTTP_") and ("\r" in value or "\n" in value):
                environ[name] = " ".join(value.split())  # RFC 9112, 5.2: the fold counts as a space
        return app(environ, start_response)

    return run


def until_next(seconds: float) -> float:
    """How long until the next whole multiple of so many seconds: what wakes up at the same moments wakes the process once,
    and at rest a wake-up is all that it costs."""
    left = seconds - time.monotonic() % seconds
    return left if left > seconds / 8 else left + seconds  # a timer that comes a moment early must not come twice


def favour_latency() -> None:
    """Let a thread that has waited for I/O get the interpreter back sooner than after the default 5 ms.

    The writer's thread waits for the database several times a flush; at 5 ms each a busy loop makes it the bottleneck.
    """
    sys.setswitchinterval(0.0005)
