"""The writer, one for each web process. Everyone who waits is written in one transaction and answered after its commit.

All of it runs on the event loop except `Log.append`, which has a native thread of its own.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError

from quadra.core.database_errors import refuses_a_value, why
from quadra.core.errors import Unavailable
from quadra.core.web.loop import Loop, Threads
from quadra.ingest import metrics
from quadra.ingest.columns import Row
from quadra.ingest.flush_log import FlushLog
from quadra.ingest.halving import Outcome, by_halves
from quadra.ingest.log import Appended, Log

logger = logging.getLogger(__name__)


class Ticket(Protocol):
    """Somebody who waits for rows to be durable."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def weight(self) -> int:
        """Bytes the rows hold on to while they wait."""
        ...

    @property
    def door(self) -> str:
        """How it came in, for the metrics."""
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Every row is durable, or refused for good. Called on the loop; must not block."""

    def fail(self, error: Unavailable) -> None:
        """Nothing may be taken for durable; trying again is safe."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the queue holds at the most, how many rows one flush takes, how long it waits for more, and how long those
    who wait for it do."""

    queue_events: int
    queue_bytes: int
    flush_events: int
    linger_seconds: float
    flush_seconds: float


class Writer:
    """Takes tickets until a bound, writes them in order, settles them."""

    def __init__(self, log: Log, loop: Loop, bounds: Bounds):
        self._log = log
        self._loop = loop
        self._bounds = bounds
        self._thread = Threads(loop, 1, "writer")
        self._pending: deque[Ticket] = deque()
        self._events = 0
        self._bytes = 0
        self._wake = loop.waiter()
        self._stopping = False
        self._stuck = False
        self._full = False
        self._ended = loop.waiter()
        self._started = False
        self._flush_log = FlushLog()
        self.after_flush: list[Callable[[], None]] = []
        """Called on the loop after the tickets of a flush were settled; doors send their answers in bulk here."""
        self.on_stored: list[Callable[[Appended], None]] = []
        """Called on the loop after that, with what is new in the log."""
        self.on_not_new: list[Callable[[Ticket, Sequence[Outcome]], None]] = []
        """Called on the loop for each ticket of a flush in which not every event was new, with what became of its rows."""

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._events

    def start(self) -> None:
        if not self._started:
            self._started = True
            self._loop.spawn(self._run)

    def ask_for_room(self) -> None:
        """Raises what `submit` raises where nothing is taken for the moment.

        A queue that was full takes nothing until half of it is written, and doors ask before they check many events:
        else the loop would be busy with checking what is refused afterwards, and less and less would be stored.
        """
        if self._stopping:
            raise Unavailable("Quadra is stopping; try again in a moment.", code="stopping", retry_after_seconds=2)
        if self._stuck:
            raise _frozen()
        if self._full:
            raise _overloaded()

    def submit(self, ticket: Ticket) -> None:
        """Queue a ticket. Raises `Unavailable` (code `overloaded` or `stopping`) at once where there is no room."""
        self.ask_for_room()
        rows = ticket.rows
        if self._events + len(rows) > self._bounds.queue_events or self._bytes > self._bounds.queue_bytes:
            self._full = self._half_full()  # not for a ticket that is too large for an empty queue
            raise _overloaded()
        self._pending.append(ticket)
        self._events += len(rows)
        self._bytes += ticket.weight
        self._wake.set()

    def stop(self, timeout_seconds: float) -> bool:
        """Take nothing more, write and answer what waits. True when all of it was."""
        self._stopping = True
        self._wake.set()
        return not self._started or self._ended.wait(timeout_seconds)

    def _run(self) -> None:
        while True:
            if not self._pending:
                if self._stopping:
                    break
                self._wake.wait()
                self._wake = self._loop.waiter()
                continue
            if self._events < self._bounds.flush_events and self._bounds.linger_seconds:
                self._loop.sleep(self._bounds.linger_seconds)
            self._flush(self._take())
        self._thread.stop()
        self._ended.set()

    def _take(self) -> list[Ticket]:
        tickets: list[Ticket] = []
        count = 0
        while self._pending and (not tickets or count + len(self._pending[0].rows) <= self._bounds.flush_events):
            ticket = self._pending.popleft()
            count += len(ticket.rows)
            tickets.append(ticket)
        return tickets

    def _flush(self, tickets: list[Ticket]) -> None:
        rows = [row for ticket in tickets for row in ticket.rows]
        written = self._loop.waiter()
        result: list[Any] = []

        def settle(*found: Any) -> None:
            result[:] = found
            written.set()

        self._thread.submit(lambda: self._write(rows), settle)
        if not written.wait(self._bounds.flush_seconds):
            self._give_up(tickets)
            tickets = []
            # the log is one thread's: nothing else is written before this flush has ended in whatever way
            written.wait()
            self._stuck = False
        done, error = result
        outcomes, stored = done or ([], [])
        at = 0
        for ticket in tickets:
            if error is not None:
                self._tell(ticket.fail, error)
            else:
                self._tell(ticket.settle, outcomes[at : at + len(ticket.rows)])
            at += len(ticket.rows)
        new = sum(len(fresh) for appended in stored for _, fresh in appended.stored)
        if error is None and new < at:
            self._tell_not_new(tickets, outcomes)
        self._tell(metrics.flushed, tickets, at, outcomes, new, error)
        if at:
            self._flush_log.flushed(at, new, failed=error is not None)
        self._release(tickets)
        for hook in self.after_flush:
            self._tell(hook)
        for appended in stored:
            for listener in self.on_stored:
                self._tell(listener, appended)

    def _tell_not_new(self, tickets: list[Ticket], outcomes: Sequence[Outcome]) -> None:
        at = 0
        for ticket in tickets:
            for listener in self.on_not_new:
                self._tell(listener, ticket, outcomes[at : at + len(ticket.rows)])
            at += len(ticket.rows)

    def _give_up(self, tickets: list[Ticket]) -> None:
        """The database is frozen: no error comes out of its driver. Nobody waits for it any longer."""
        logger.warning("ingest.flush.stuck", extra={"events": self._events, "seconds": self._bounds.flush_seconds})
        self._stuck = True
        tickets = [*tickets, *self._pending]
        self._pending.clear()
        for ticket in tickets:
            self._tell(ticket.fail, _frozen())
        self._tell(metrics.flushed, tickets, sum(len(ticket.rows) for ticket in tickets), (), 0, _frozen())
        self._release(tickets)
        for hook in self.after_flush:
            self._tell(hook)

    def _release(self, tickets: list[Ticket]) -> None:
        self._events -= sum(len(ticket.rows) for ticket in tickets)
        self._bytes -= sum(ticket.weight for ticket in tickets)
        self._full = self._full and self._half_full()

    def _half_full(self) -> bool:
        return 2 * self._events > self._bounds.queue_events or 2 * self._bytes > self._bounds.queue_bytes

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        """A door that makes a mistake with its answer must not end the writer."""
        try:
            function(*arguments)
        except Exception:
            logger.exception("ingest.answer.failed")

    def _write(self, rows: Sequence[Row]) -> tuple[list[Outcome], list[Appended]]:
        """Append on the writer's thread. Raises `Unavailable` and nothing else."""
        appended: list[Appended] = []
        return self._append(rows, appended), appended

    def _append(self, rows: Sequence[Row], appended: list[Appended]) -> list[Outcome]:
        try:
            appended.append(self._log.append(rows))
        except DBAPIError as error:
            if refuses_a_value(error):
                return by_halves(rows, error, lambda some: self._append(some, appended))
            self._log.forget_open_batches()
            logger.warning("ingest.flush.failed", extra={"events": len(rows), "reason": str(error.orig)})
            raise Unavailable(f"{why(error)} Nothing was stored.") from error
        except Exception as error:
            self._log.forget_open_batches()
            logger.exception("ingest.flush.failed", extra={"events": len(rows)})
            raise Unavailable("Storing failed; nothing was stored, try again.") from error
        return list(appended[-1].outcomes)


def _overloaded() -> Unavailable:
    return Unavailable("More events are waiting than Quadra can hold; try again.", code="overloaded")


def _frozen() -> Unavailable:
    return Unavailable("The database does not answer; try again.", retry_after_seconds=2)
