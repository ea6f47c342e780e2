"""The event loop's verbs by eventlet, the default. Nothing is monkey-patched: eventlet's own sockets are used directly."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import eventlet
import eventlet.event
import eventlet.greenio
import eventlet.hubs
import eventlet.wsgi

from quadra.core.chunks import Chunks
from quadra.core.connections import BODY, BUSY, HEADER, IDLE, Connection, Connections, TooSlow
from quadra.core.errors import Invalid, QuadraError
from quadra.core.web.bare_answers import SAID, bare_answer

logger = logging.getLogger("quadra.core.web.server")
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

    def __init__(self, listener: socket.socket, no_room: Callable[[], object] = lambda: None):
        """`no_room` is called where the machine has no place for one more connection. Its base makes connections of the
        same class."""
        super().__init__(listener)
        self._no_room = no_room
        self._accepted = 0

    def accept(self) -> Any:
        if not self._closing:
            try:
                return self._accept()
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

    def _accept(self) -> Any:
        self._accepted += 1
        if self._accepted % TURN == 0:
            eventlet.sleep(0)  # those who were let in are counted before more are
        while True:
            try:
                return super().accept()
            except OSError as error:
                if error.errno == errno.ECONNABORTED:
                    continue
                if error.errno not in NO_ROOM:
                    raise
                logger.error("server.accept.no_room", extra={"reason": error.strerror})
                self._no_room()
                eventlet.sleep(ACCEPT_SECONDS)


ACCEPT_SECONDS = 0.1
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
REQUEST_SECONDS = 0.2
"""For those who have just connected to say what they want: a connection that has said nothing yet counts as idle."""


class Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """Says of a request that no answer of ours was made for no more than its status: the base class writes its first line to
    standard error, and with it the key that may stand there. And tells `connections` what it waits for."""

    connections: Connections
    place: Connection
    wfile: Any

    def __init__(self, conn_state: Any, server: Any):
        client = conn_state[1]
        place = self.connections.admit(conn_state[0][0], lambda: _shut(client, self.place))
        if place is None:
            with suppress(OSError):
                client.send(bare_answer(503))
            return
        self.place = place
        self._requests = 0
        try:
            super().__init__(conn_state, server)
        finally:
            self.connections.leave(place)
            if (rfile := getattr(self, "rfile", None)) is not None:
                rfile.close()  # its base does not where the client is gone, and the file would stay open

    def _read_request_line(self) -> Any:
        if self._requests:
            self.place.now(IDLE)
            if self._requests % TURN == 0:
                eventlet.sleep(0)  # requests that lie here already are read without a pause
        self._requests += 1
        line = super()._read_request_line()
        self.place.now(HEADER)
        return line

    def handle_one_request(self) -> None:
        self._answers = self.wfile
        self.wfile = Unread(self._answers)
        try:
            super().handle_one_request()
        finally:
            self.wfile = self._answers
            self.place.now(IDLE)

    def send_error(self, code: int, message: Any = None, explain: Any = None) -> None:
        self.log_request(code)
        self._answers.write(bare_answer(code if code in SAID else 400))
        self.close_connection = 1

    def parse_request(self) -> bool:
        return bool(super().parse_request()) and not self.place.late  # half a head ends like a whole one

    def get_environ(self) -> Any:
        environ = super().get_environ()
        self.wfile = self._answers
        self.place.now(BUSY)
        coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower().strip()
        if coding != "chunked":
            self.close_connection = 1  # nobody knows where the body ends and the next request begins
        environ["wsgi.input"] = environ["eventlet.input"] = Input(self, environ["wsgi.input"], coding)
        return environ

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        access.info("http.request.refused", extra={"status": int(code) if str(code).isdecimal() else 0})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its base's name)
        """What `log_request` says is enough."""


class Unread:
    """Where answers go until a request has been read: what the base class says then is said in our own shape."""

    def __init__(self, wfile: Any):
        self._wfile = wfile

    def write(self, answer: bytes) -> None:
        words = answer.partition(b"\r\n")[0]
        status = 431 if b"Too L" in words and b"400" in words else int(words.split()[1])
        self._wfile.write(bare_answer(status if status in SAID else 400))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wfile, name)


class Input(eventlet.wsgi.Input):  # type: ignore[misc]
    """A body that must arrive in time, its chunks read by `Chunks`."""

    def __init__(self, protocol: Protocol, given: Any, coding: str):
        self.__dict__.update(given.__dict__)
        self._protocol = protocol
        self._chunks = Chunks(self.rfile, lambda: eventlet.sleep(0))
        self._began = 0.0
        self._discarded = 0
        self._unknown = coding != "chunked"

    def _do_read(self, reader: Any, length: Any = None) -> Any:
        with self._in_time():
            return super()._do_read(reader, length)

    def _chunked_read(self, rfile: Any, length: Any = None, use_readline: bool = False) -> bytes:
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        with self._in_time():
            return self._chunks.read(length)

    def read(self, length: Any = None) -> Any:
        if self._unknown:
            self._protocol.close_connection = 1
            raise Invalid("Of transfer encodings only `chunked` is known.", code="encoding")
        return super().read(length)

    def discard(self, buffer_size: int = 16 << 10) -> None:
        try:
            while found := self.read(buffer_size):
                self._discarded += len(found)
                if self._discarded > MOST_DISCARDED:
                    self._protocol.close_connection = 1
                    return
        except QuadraError:
            self._protocol.close_connection = 1

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        place = self._protocol.place
        place.now(BODY)
        place.since = self._began = self._began or place.since  # all of it, not each part
        try:
            yield
        except Invalid:
            self._protocol.close_connection = 1
            if place.late:
                raise TooSlow from None
            raise
        finally:
            place.now(BUSY)
        if place.late:
            self._protocol.close_connection = 1
            raise TooSlow


def _shut(client: Any, place: Connection) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RD if place.phase == BODY else socket.SHUT_RDWR)


MOST_DISCARDED = 16 * 2**20
"""Of a body that was refused: read and thrown away so that the client hears why, up to here."""
TURN = 16


class Server:
    """A WSGI server on a listening socket."""

    def __init__(self, listener: socket.socket, app: Any, connections: Connections):
        self._listener = Listener(listener, connections.make_room)
        self._protocol = type("Protocol", (Protocol,), {"connections": connections})
        self._app = app
        self._greenlet: Any = None

    def start(self) -> None:
        options = {"log": logger, "log_output": False, "debug": False, "max_size": 20_000, "protocol": self._protocol}
        self._greenlet = eventlet.spawn(eventlet.wsgi.server, self._listener, self._app, **options)

    @property
    def alive(self) -> bool:
        return self._greenlet is None or not self._greenlet.dead

    def stop(self, seconds: float) -> None:
        """Take no new connections, close idle ones, give the others `seconds` to end."""
        ended = Waiter()
        self._greenlet.link(lambda _greenlet: ended.set())
        self._greenlet.kill(Closing)
        ended.wait(seconds)
