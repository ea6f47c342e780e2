"""Messages of a Socket.IO client that wait for the writer, and what each of them is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from quadra.core.errors import QuadraError
from quadra.ingest.accept import Sender
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.socket_messages import Answer, none_stored, not_stored, refusal, stored, summary
from quadra.ingest.doors.tickets import Ticket
from quadra.ingest.halving import Outcome
from quadra.ingest.wire import Refused

DOOR = "socket"
ONE, MANY = "user:event", "user:events"


class Client:
    """One connection on namespace `/`."""

    __slots__ = ("_note", "eio_sid", "key", "meter", "outbox", "sender", "uncounted", "waiting")

    def __init__(self, eio_sid: str, key: str, sender: Sender, meter: Meter, note: Callable[..., None]):
        self._note = note
        self.eio_sid = eio_sid
        self.key = key
        self.sender = sender
        self.meter = meter
        self.outbox: list[str] = []
        self.waiting = 0
        """Messages that wait for the writer."""
        self.uncounted = 0
        """Messages that its meter does not know of yet."""

    def note(self, message: str, error: QuadraError | Refused, **more: Any) -> None:
        """Have what a message was refused for in the log."""
        self._note(path=message, code=error.code, reason=error.message[:300], **more)


Settled = Callable[[Client, int | None, Answer], None]


class OneTicket(Ticket):
    """A `user:event`."""

    __slots__ = ("_ack", "_client", "_settled")
    counted = True

    def __init__(self, client: Client, ack: int | None, settled: Settled, weight: int):
        self.door = DOOR
        self.weight = weight
        self._client = client
        self._ack = ack
        self._settled = settled

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        result = self.results[0]
        outcome = outcomes[0] if outcomes else result
        if type(outcome) is Refused:
            answer = refusal(outcome)
            self._client.note(ONE, outcome, event_id=outcome.event_id)
        else:
            answer = stored(result.event_id, *outcome)
        self._settled(self._client, self._ack, answer)

    def fail(self, error: QuadraError) -> None:
        self._client.note(ONE, error)
        self._settled(self._client, self._ack, not_stored(self.results[0].event_id, error))


class ManyTicket(Ticket):
    """A `user:events` array."""

    __slots__ = ("_ack", "_client", "_settled")

    def __init__(self, client: Client, ack: int | None, settled: Settled, weight: int):
        super().__init__(DOOR, weight)
        self._client = client
        self._ack = ack
        self._settled = settled

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        refused = [one for one in self.results if type(one) is Refused]
        written = 0
        duplicates = 0
        for outcome in outcomes:
            if type(outcome) is Refused:
                refused.append(outcome)
            else:
                written += 1
                duplicates += outcome[1]
        if refused:
            first = refused[0]
            self._client.note(MANY, first, event_id=first.event_id, refused_events=len(refused))
        self._settled(self._client, self._ack, summary(written - duplicates, duplicates, refused))

    def fail(self, error: QuadraError) -> None:
        self._client.note(MANY, error, refused_events=len(self.results))
        self._settled(self._client, self._ack, none_stored(error, self.results))
