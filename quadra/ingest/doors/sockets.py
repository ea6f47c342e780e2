"""Socket.IO ingest, namespace `/`: `user:event` and `user:events`, each answered exactly once.

An answer is the acknowledgement where the client asked for one, else the event `event:ack` or `event:error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError as Refusal

from quadra.core import clock
from quadra.core.errors import QuadraError, TooLarge, Unauthorised, Unavailable
from quadra.core.web.loop import Loop
from quadra.core.web.realtime import websocket_messages_total
from quadra.ingest import metrics
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.doors import lane
from quadra.ingest.doors.events import EVENT_OVERHEAD_BYTES
from quadra.ingest.doors.intake import FEW_EVENTS, QUICK_BYTES, SMALL_BYTES, Intake, accept_all
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.socket_messages import (
    Answer,
    encode,
    error_answer,
    limited,
    none_stored,
    parse_many,
    parse_many_quickly,
    parse_one,
    refusal,
    summary,
)
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Outcome

DOOR = "socket"
MAX_BACKLOG = 2_000
"""Answers that may wait for a client to read them; past it Quadra stops reading from that client until it does."""
TURN = 64
"""Messages of one client that are handled before others get their turn."""
LARGE_EVENT = 16 * 1024
"""Characters of one event that are read on the loop."""


class Client:
    """One connection on namespace `/`."""

    __slots__ = ("eio_sid", "key", "meter", "outbox", "sender", "turn", "waiting")

    def __init__(self, eio_sid: str, key: str, sender: Sender, meter: Meter):
        self.eio_sid = eio_sid
        self.key = key
        self.sender = sender
        self.meter = meter
        self.outbox: list[str] = []
        self.waiting = 0
        self.turn = 0


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
        lane.tap(self._server, self._message, self.breathe)
        intake.writer.after_flush.append(self._send)

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        plain = auth.get("key") if isinstance(auth, dict) else None
        plain = plain if isinstance(plain, str) else environ.get("HTTP_X_QUADRA_KEY", "")
        try:
            key = self._intake.key_of(environ, plain)
            sender = self._intake.sender(
                key,
                door=DOOR,
                user_agent=environ.get("HTTP_USER_AGENT", ""),
                origin=environ.get("HTTP_ORIGIN", ""),
                needs_identity=True,
            )
        except QuadraError as error:
            raise Refusal(error.message, error.as_dict()) from error
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        self._clients[eio_sid] = Client(eio_sid, plain, sender, self._intake.quota.meter(key.id))

    def _disconnect(self, sid: str, _reason: Any = None) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        client = self._clients.pop(eio_sid, None)
        if client is not None:
            client.meter.add(client.turn)

    def _message(self, eio_sid: str, name: str, ack: int | None, text: str | None, payload: Any) -> None:
        client = self._clients.get(eio_sid)
        if client is None:
            self.breathe()
            return  # not connected to the namespace (yet, or any more); the protocol has no answer for that
        self._hold_back(client)
        fresh, key = self._intake.refresh(client.key)
        if key is None and fresh:
            error = Unauthorised("The key was revoked.")
            none = error_answer(None, error.code, error.message, {})
            named = _readable(text) if name == "user:events" else None
            self._answer(client, ack, none if named is None else none_stored(error, named))
        elif name == "user:event":
            self._one(client, ack, text, payload)
        elif name == "user:events":
            self._many(client, ack, text, payload)
        else:
            self._count_apart("other")
            message = f"There is no event {name[:100]!r} here; send user:event or user:events."
            self._answer(client, ack, error_answer(None, "unknown_event", message, {}))
        if self._dirty:
            self._send()

    def breathe(self) -> None:
        """For messages that nobody counts: whoever sends many of them without a pause lets others have their turn."""
        self._others += 1
        if self._others % TURN == 0:
            self._loop.sleep(0)

    def _one(self, client: Client, ack: int | None, text: str | None, payload: Any) -> None:
        event_id = None
        try:
            large = text is not None and len(text) > LARGE_EVENT
            wire = self._intake.aside(large, parse_one, text, payload)
            event_id = wire.event_id
            if client.meter.full:
                metrics.turned_away(DOOR, "retry")
                self._answer(client, ack, limited(event_id, client.meter))
                return
            row = accept(wire, client.sender, clock.now_us())
            client.waiting += 1
            self._intake.writer.submit(OneTicket(row, len(text or "") + 600, client, ack, self))
        except Refused as refused:
            metrics.turned_away(DOOR, "refused")
            self._answer(client, ack, refusal(refused))
        except Unavailable as error:
            metrics.turned_away(DOOR, "retry")
            client.waiting -= 1
            self._answer(client, ack, error_answer(event_id, error.code, error.message, {}))

    def _many(self, client: Client, ack: int | None, text: str | None, payload: Any) -> None:
        self._count_apart("user:events")
        size = len(text or "")
        try:
            wires = parse_many_quickly(text) if size <= QUICK_BYTES else None
            if wires is None:
                wires = self._intake.aside(size > SMALL_BYTES or text is None, parse_many, text, payload)
        except (Refused, TooLarge) as refused:
            metrics.turned_away(DOOR, "refused")
            client.meter.add(1 + size // EVENT_OVERHEAD_BYTES)
            self._answer(client, ack, none_stored(refused))
            return
        try:
            self._intake.writer.ask_for_room()
        except Unavailable as error:
            metrics.turned_away(DOOR, "retry", len(wires))
            self._answer(client, ack, none_stored(error, wires))
            return
        if client.meter.full:
            metrics.turned_away(DOOR, "retry", len(wires))
            self._answer(client, ack, none_stored(client.meter.error(), wires))
            return
        client.meter.add(len(wires))
        ticket = ManyTicket(client, ack, self, size + EVENT_OVERHEAD_BYTES * len(wires))
        heavy = len(wires) > FEW_EVENTS or size > QUICK_BYTES
        outcomes, rows = self._intake.aside(heavy, accept_all, wires, client.sender, clock.now_us())
        ticket.rows += rows
        ticket.refused += [outcome for outcome in outcomes if type(outcome) is Refused]
        if ticket.refused:
            metrics.turned_away(DOOR, "refused", len(ticket.refused))
        client.waiting += 1
        if not ticket.rows:
            ticket.settle(())
            return
        try:
            self._intake.writer.submit(ticket)
        except Unavailable as error:
            metrics.turned_away(DOOR, "retry", len(ticket.rows))
            ticket.fail(error)

    def _answer(self, client: Client, ack: int | None, answer: Answer) -> None:
        good, body = answer
        if ack is not None:
            client.outbox.append(f"3{ack}[{body.decode()}]")
        else:
            client.outbox.append(f'2["event:{"ack" if good else "error"}",{body.decode()}]')
        self._dirty[client.eio_sid] = client

    def settled(self, client: Client, ack: int | None, answer: Answer) -> None:
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
        client.turn += 1
        if client.turn >= TURN:
            if not client.meter.full:
                client.meter.add(client.turn)  # for each event alone it would be work in the fast lane
            client.turn = 0
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


class OneTicket:
    """A `user:event` that waits for the writer."""

    door = DOOR
    __slots__ = ("_ack", "_client", "_sockets", "rows", "weight")

    def __init__(self, row: Row, weight: int, client: Client, ack: int | None, sockets: Sockets):
        self.rows = (row,)
        self.weight = weight
        self._client = client
        self._ack = ack
        self._sockets = sockets

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        outcome = outcomes[0]
        if type(outcome) is Refused:
            self._sockets.settled(self._client, self._ack, refusal(outcome))
            return
        batch_id, duplicate = outcome  # type: ignore[misc]
        answer = b'{"eventId":%b,"batchId":"%b","duplicate":%b}' % (
            encode(self.rows[0].event_id),
            batch_id.encode(),
            b"true" if duplicate else b"false",
        )
        self._sockets.settled(self._client, self._ack, (True, answer))

    def fail(self, error: Unavailable) -> None:
        answer = error_answer(self.rows[0].event_id, error.code, error.message, {})
        self._sockets.settled(self._client, self._ack, answer)


class ManyTicket:
    """A `user:events` array that waits for the writer."""

    door = DOOR
    __slots__ = ("_ack", "_client", "_sockets", "refused", "rows", "weight")

    def __init__(self, client: Client, ack: int | None, sockets: Sockets, weight: int):
        self.rows: list[Row] = []
        self.refused: list[Refused] = []
        self.weight = weight
        self._client = client
        self._ack = ack
        self._sockets = sockets

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        duplicates = 0
        for outcome in outcomes:
            if type(outcome) is Refused:
                self.refused.append(outcome)
            elif outcome[1]:  # type: ignore[index]
                duplicates += 1
        stored = len(self.rows) - duplicates - sum(type(outcome) is Refused for outcome in outcomes)
        self._sockets.settled(self._client, self._ack, summary(stored, duplicates, self.refused))

    def fail(self, error: Unavailable) -> None:
        self._sockets.settled(self._client, self._ack, none_stored(error, [*self.refused, *self.rows]))
