"""What waits for its events to be stored: a request, or a message of a socket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from quadra.core.errors import QuadraError, Unavailable
from quadra.core.web.loop import Loop
from quadra.ingest.columns import Row
from quadra.ingest.halving import Outcome
from quadra.ingest.wire import Refused


class Stored(NamedTuple):
    """An event that is durable."""

    event_id: str
    batch_id: str
    duplicate: bool


class Ticket(ABC):
    """Handed to `Intake.submit`, which fills it. It is settled or failed, exactly once, on the loop."""

    __slots__ = ("door", "results", "rows", "weight")
    counted = False
    """Whether the door counts its events against the key's limit itself, many at a time."""

    results: Sequence[Any]
    """What became of each event, in order: the wire event before it is accepted, then its `Row` or its `Refused`."""
    rows: Sequence[Row]
    """Those of `results` that the writer gets."""

    def __init__(self, door: str, weight: int):
        self.door = door
        self.weight = weight
        """Bytes that the events hold on to while they wait."""

    @abstractmethod
    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """`outcomes` are those of `rows`, which are durable now, or refused by the database for good. Must not block."""

    @abstractmethod
    def fail(self, error: QuadraError) -> None:
        """Nothing may be taken for stored. Must not block."""


class WaitingTicket(Ticket):
    """A ticket whose greenlet waits."""

    __slots__ = ("_done", "_error", "_outcomes")

    def __init__(self, door: str, weight: int, loop: Loop):
        super().__init__(door, weight)
        self._done = loop.waiter()
        self._outcomes: Sequence[Outcome] | None = None
        self._error: QuadraError | None = None

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes
        self._done.set()

    def fail(self, error: QuadraError) -> None:
        self._error = error
        self._done.set()

    def wait(self, timeout_seconds: float) -> list[Stored | Refused]:
        """A result for each event, in order. Raises what it failed with, and `Unavailable` when the write did not end in
        time: it may still end well, and a repetition is safe.
        """
        self._done.wait(timeout_seconds)
        if self._error is not None:
            raise self._error
        if self._outcomes is None:
            raise Unavailable("The database is too slow at the moment; try again.")
        written = iter(self._outcomes)
        return [one if type(one) is Refused else _written(one, next(written)) for one in self.results]


def _written(row: Row, outcome: Outcome) -> Stored | Refused:
    if type(outcome) is Refused:
        return outcome
    batch_id, duplicate = outcome
    return Stored(row.event_id, batch_id, duplicate)
