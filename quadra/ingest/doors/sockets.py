"""Socket.IO ingest, namespace `/`: `user:event` and `user:events`, each answered exactly once.

An answer is the acknowledgement where the client asked for one, else the event `event:ack` or `event:error`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError as Refusal

from quadra.core.errors import Invalid, QuadraError, TooLarge, Unauthorised
from quadra.core.web.http import REQUEST_ID
from quadra.core.web.loop import Loop
from quadra.core.web.realtime import websocket_messages_total
from quadra.ingest import metrics
from quadra.ingest.doors import lane
from quadra.ingest.doors.intake import EVENT_OVERHEAD_BYTES, QUICK_BYTES, SMALL_BYTES, Intake
from quadra.ingest.doors.socket_messages import (
    Answer,
    error_answer,
    none_stored,
    parse_many,
    parse_many_quickly,
    parse_one,
)
from quadra.ingest.doors.socket_tickets import DOOR, MANY, ONE, Client, ManyTicket, OneTicket
from quadra.ingest.wire import Refused

MAX_BACKLOG = 2_000
"""Answers that may wait for a client to read them; past it Quadra stops reading from that client until it does."""
TURN = 64
"""Messages of one client that are handled before others get their turn."""
LARGE_EVENT = 16 * 1024
"""Characters of one event that are read on the loop."""


class Sockets:
    """The connections of this process, and the answers on their way to them."""

    def __init__(self, socketio: SocketIO, intake: Intake, loop: Loop):
        self._server = socketio.server
        self._intake = intake
        self._loop = loop
        self._clients: dict[str, Client] = {}
        self._dirty: dict[str, Client] = {}
        self._apart = 0
        """Messages beside `user:event` whose answers are not counted yet. Each message has one answer, so what is sent in
        bulk says how many came, and no event is counted by itself."""
        self._server.on("connect", self._connect, namespace="/")
        self._server.on("disconnect", self._disconnect, namespace="/")
        self._others = 0
        self._settled = self._settle  # bound once, not for each event
        lane.tap(self._server, self._message, self.breathe)
        intake.writer.after_flush.append(self._send)

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        came = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = came if REQUEST_ID.fullmatch(came) else sid
        plain = auth.get("key") if isinstance(auth, dict) else None
        plain = plain if isinstance(plain, str) else environ.get("HTTP_X_QUADRA_KEY", "")
        try:
            sender = self._intake.senders.sender(environ, plain, door=DOOR, needs_identity=True)
        except QuadraError as error:
            self._intake.refusal_log.note(
                environ, request_id, path="connect", status=error.status, code=error.code, reason=error.message[:300]
            )
            raise Refusal(error.message, error.as_dict()) from error
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        if eio_sid is None:
            return  # it left while its key was looked up; no other event says so
        assert sender.meter is not None  # every key has a meter
        log = self._intake.refusal_log
        note = partial(log.note_of, log.sender_of(environ), request_id)
        self._clients[eio_sid] = Client(eio_sid, plain, sender, sender.meter, note)

    def _disconnect(self, sid: str, _reason: Any = None) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        client = self._clients.pop(eio_sid, None)
        if client is not None:
            client.meter.add(client.uncounted)

    def _message(self, eio_sid: str, name: str, ack: int | None, text: str | None, payload: Any) -> None:
        client = self._clients.get(eio_sid)
        if client is None:
            self.breathe()
            return  # not connected to the namespace (yet, or any more); the protocol has no answer for that
        self._hold_back(client)
        fresh, key = self._intake.senders.refresh(client.key)
        if key is None and fresh:
            error: QuadraError = Unauthorised("The key was revoked.")
            metrics.refused("key", error.code)
            client.note(name[:100], error)
            none = error_answer(None, error.code, error.message, {})
            named = _readable(text) if name == MANY else None
            self._answer(client, ack, none if named is None else none_stored(error, named))
        elif name == ONE:
            self._one(client, ack, text, payload)
        elif name == MANY:
            self._many(client, ack, text, payload)
        else:
            self._count_apart("other")
            error = Invalid(
                f"There is no event {name[:100]!r} here; send user:event or user:events.", code="unknown_event"
            )
            client.note(name[:100], error)
            self._answer(client, ack, error_answer(None, error.code, error.message, {}))
        if self._dirty:
            self._send()

    def breathe(self) -> None:
        """For messages that are not counted: a sender of many lets others have their turn."""
        self._others += 1
        if self._others % TURN == 0:
            self._loop.sleep(0)

    def _one(self, client: Client, ack: int | None, text: str | None, payload: Any) -> None:
        large = text is not None and len(text) > LARGE_EVENT
        wire = self._intake.aside(large, parse_one, text, payload)
        client.waiting += 1
        ticket = OneTicket(client, ack, self._settled, len(text or "") + EVENT_OVERHEAD_BYTES)
        self._intake.submit((wire,), client.sender, ticket)

    def _many(self, client: Client, ack: int | None, text: str | None, payload: Any) -> None:
        self._count_apart(MANY)
        size = len(text or "")
        try:
            wires = parse_many_quickly(text) if size <= QUICK_BYTES else None
            if wires is None:
                wires = self._intake.aside(size > SMALL_BYTES or text is None, parse_many, text, payload)
        except (Refused, TooLarge) as error:
            metrics.events_total.labels(DOOR, "refused").inc()
            self._intake.unreadable(error, size, client.meter)
            client.note(MANY, error)
            self._answer(client, ack, none_stored(error))
            return
        client.waiting += 1
        ticket = ManyTicket(client, ack, self._settled, size + EVENT_OVERHEAD_BYTES * len(wires))
        self._intake.submit(wires, client.sender, ticket)

    def _answer(self, client: Client, ack: int | None, answer: Answer) -> None:
        good, body = answer
        if ack is not None:
            client.outbox.append(f"3{ack}[{body.decode()}]")
        else:
            client.outbox.append(f'2["event:{"ack" if good else "error"}",{body.decode()}]')
        self._dirty[client.eio_sid] = client

    def _settle(self, client: Client, ack: int | None, answer: Answer) -> None:
        client.waiting -= 1
        self._answer(client, ack, answer)

    def _send(self) -> None:
        dirty, self._dirty = self._dirty, {}
        sent = 0
        for client in dirty.values():
            answers, client.outbox = client.outbox, []
            sent += len(answers)
            lane.send_answers(self._server, client.eio_sid, answers)
        self._count(sent)

    def _count_apart(self, event: str) -> None:
        self._apart += 1
        websocket_messages_total.labels(event, "in").inc()

    def _count(self, sent: int) -> None:
        if not sent:
            return
        websocket_messages_total.labels("ack", "out").inc(sent)
        single = sent - self._apart
        self._apart = max(0, -single)
        if single > 0:
            websocket_messages_total.labels("user:event", "in").inc(single)

    def _hold_back(self, client: Client) -> None:
        """Runs in the client's own greenlet: waiting here means not reading from it, and its TCP window closes."""
        client.uncounted += 1
        if client.uncounted >= TURN:
            if not client.meter.full:
                client.meter.add(client.uncounted)  # for each event alone it would be work in the fast lane
            client.uncounted = 0
            self._loop.sleep(0)
        while client.waiting + lane.backlog(self._server, client.eio_sid) > MAX_BACKLOG:
            if client.eio_sid not in self._clients:
                return
            self._loop.sleep(0.01)


def _readable(text: str | None) -> list[Any]:
    """The events of a message that is refused whole, so that each is named where that is cheap."""
    try:
        small = text is not None and len(text) <= SMALL_BYTES
        return (
            parse_many(text, None) if small else (text and len(text) <= QUICK_BYTES and parse_many_quickly(text)) or []
        )
    except (Refused, TooLarge):
        return []
