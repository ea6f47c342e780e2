"""The event loop's verbs by gevent, for QUADRA_ASYNC_MODE=gevent. The standard library is not
monkey-patched here either."""

from __future__ import annotations

import errno
import http.client
import logging
import socket
from contextlib import suppress
from typing import Any

import gevent
import gevent.event
import gevent.pywsgi
import gevent.socket

from quadra.core.chunks import Chunks
from quadra.core.connections import BODY, BUSY, HEADER, IDLE, Connection, Connections, TooSlow
from quadra.core.errors import Invalid, QuadraError
from quadra.core.web.bare_answers import bare_answer
from quadra.core.web.websocket_gevent import take_turns

logger = logging.getLogger("quadra.core.web.server")
access = logging.getLogger("quadra.access")

take_turns()  # this module is imported where gevent is chosen, once

spawn = gevent.spawn
sleep = gevent.sleep
Waiter = gevent.event.Event
wait_readable = gevent.socket.wait_read


class Handler(gevent.pywsgi.WSGIHandler):  # type: ignore[misc]
    """Says of a request that cannot be read no more than so: its base logs what it could not read, and with it the key that
    may stand there. And tells `connections` what it waits for."""

    connections: Connections
    place: Connection
    wsgi_input: Any

    def handle(self) -> None:
        client = self.socket
        place = self.connections.admit(self.client_address[0], lambda: _shut(client, self.place))
        if place is None:
            with suppress(OSError):
                client.send(bare_answer(503))
                client.close()
            return
        self.place = place
        self._requests = 0
        try:
            super().handle()
        finally:
            self.connections.leave(place)

    def read_requestline(self) -> Any:
        if self._requests:
            self.place.now(IDLE)
            if self._requests % TURN == 0:
                gevent.sleep(0)  # requests that lie here already are read without a pause
        self._requests += 1
        line = super().read_requestline()
        self.place.now(HEADER)
        return line

    def handle_one_request(self) -> Any:
        """Its base answers with (status, bytes) what it cannot read, and writes a traceback where nobody is there to be told:
        whoever sends half a head, and leaves or is shut out, could fill the log."""
        answer = super().handle_one_request()
        if not isinstance(answer, tuple):
            return answer
        with suppress(OSError):
            self.socket.sendall(bare_answer(int(answer[0])))
        return None

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        # a line that is too long, or too many of them
        too_large = isinstance(ex, http.client.HTTPException) or bool(getattr(self.headers, "status", ""))
        self.log_error("")
        return ("431" if too_large else "400"), b""

    def _send_error_response_if_possible(self, error_code: int) -> None:
        self.close_connection = True
        if not self.response_length:
            with suppress(OSError):
                self.socket.sendall(bare_answer(error_code))

    def get_environ(self) -> Any:
        environ = super().get_environ()
        self.place.now(BUSY)
        if environ["wsgi.input"] is self.wsgi_input:
            coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower().strip()
            if coding != "chunked":
                self.close_connection = True  # nobody knows where the body ends and the next request begins
            environ["wsgi.input"] = self.wsgi_input = Input(self, self.wsgi_input, coding)
        return environ

    def log_error(self, msg: str, *args: Any) -> None:
        access.info("http.request.refused", extra={"status": 400})


class Input(gevent.pywsgi.Input):  # type: ignore[misc]
    """A body that must arrive in time, its chunks read by `Chunks`."""

    def __init__(self, handler: Handler, given: Any, coding: str):
        super().__init__(given.rfile, given.content_length, given.socket, given.chunked_input)
        self._handler = handler
        self._chunks = Chunks(self.rfile, lambda: gevent.sleep(0))
        self._began = 0.0
        self._unknown = coding != "chunked"

    def read(self, length: Any = None) -> Any:
        if self._unknown:
            self._handler.close_connection = self._chunked_input_error = True
            raise Invalid("Of transfer encodings only `chunked` is known.", code="encoding")
        place = self._handler.place
        place.now(BODY)
        place.since = self._began = self._began or place.since  # all of it, not each part
        try:
            if not self.chunked_input:
                return super().read(length)
            self._send_100_continue()
            return self._chunks.read(length)
        except (Invalid, OSError) as error:
            self._handler.close_connection = self._chunked_input_error = True
            if place.late:
                raise TooSlow from None
            raise error if isinstance(error, Invalid) else Invalid("The body ended before its length.") from error
        finally:
            place.now(BUSY)

    def _discard(self) -> None:
        discarded = 0
        try:
            while not self._chunked_input_error and (found := self.read(16384)):
                discarded += len(found)
                if discarded > MOST_DISCARDED:
                    self._handler.close_connection = True
                    return
        except QuadraError:
            self._handler.close_connection = True


MOST_DISCARDED = 16 * 2**20
"""Of a body that was refused: read and thrown away so that the client hears why, up to here."""
TURN = 16
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Accepting(gevent.pywsgi.WSGIServer):  # type: ignore[misc]
    """Makes room where there is none; its base tries again after a pause."""

    connections: Connections

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as error:
            if error.errno in NO_ROOM:
                logger.error("server.accept.no_room", extra={"reason": error.strerror})
                self.connections.make_room()
            raise


def _shut(client: Any, place: Connection) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RD if place.phase == BODY else socket.SHUT_RDWR)


class Server:
    """A WSGI server on a listening socket."""

    def __init__(self, listener: socket.socket, app: Any, connections: Connections):
        own = gevent.socket.socket(fileno=listener.detach())
        handler = type("Handler", (Handler,), {"connections": connections})
        self._server = Accepting(own, app, log=None, error_log=logger, handler_class=handler)
        self._server.connections = connections

    @property
    def alive(self) -> bool:
        return not self._server.closed

    def start(self) -> None:
        self._server.start()

    def stop(self, seconds: float) -> None:
        """Take no new connections, give the others `seconds` to end."""
        self._server.stop(timeout=seconds)
