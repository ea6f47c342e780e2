"""The one way in for all doors of a web process: `Intake.submit`.

A door finds the sender (`senders`), decodes what it got, and submits it with a ticket. From there every event passes the same
steps: room in the writer, the key's limit, accept, write. What is refused on the way is counted by step and code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeVar

from quadra.core import clock
from quadra.core.errors import Limited, QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Loop, Threads
from quadra.ingest import metrics
from quadra.ingest.accept import Sender, accept_or_refuse
from quadra.ingest.columns import Row
from quadra.ingest.counts import Counts
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.refusal_log import RefusalLog
from quadra.ingest.doors.senders import Senders
from quadra.ingest.doors.tickets import Stored, Ticket, WaitingTicket
from quadra.ingest.plain import rows_of
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Writer

T = TypeVar("T")

SMALL_BYTES = 4 * 1024
"""A body up to this size may hold anything and is still read within milliseconds, on the event loop."""
QUICK_BYTES = 128 * 1024
"""Up to this one is tried on the loop, in the one quick way; what is not read by it goes to a thread."""
FEW_EVENTS = 500
"""That are checked on the loop."""
EVENT_OVERHEAD_BYTES = 600
"""What a waiting event costs beside its JSON, roughly."""


class Intake:
    """Keys and the writer of this web process."""

    def __init__(self, runtime: Runtime, writer: Writer):
        self.writer = writer
        self.senders = Senders(runtime)
        self.refusal_log = RefusalLog(runtime.settings.trusted_proxies)
        self.counts = Counts(runtime)
        writer.on_not_new.append(self.counts.not_new)
        self.loop: Loop = runtime.loop
        self.timeout_seconds = runtime.settings.ingest_timeout.total_seconds()
        # two: more at once take turns within the interpreter anyway, and each holds its body in memory
        self._heavy = Threads(runtime.loop, 2, "heavy")

    def aside(self, heavy: bool, function: Callable[..., T], *args: Any) -> T:
        """Call `function` here or, where it may take long, on a native thread while the loop goes on."""
        return self._heavy.run(function, *args) if heavy else function(*args)

    def submit(
        self,
        wires: Sequence[Any],
        sender: Sender,
        ticket: Ticket,
        *,
        of_each: Sequence[Sender] | None = None,
        sent_at: int | str | None = None,
    ) -> None:
        """Take wire events in. `ticket` is settled or failed, now or later; nothing is raised.

        An item may be a `Refused` already. `of_each` are the senders of single events where they differ in their device;
        `sent_at` is the sender's clock. Room and limit are asked before anything is checked: a request that reaches its
        limit is stored whole, the next one is refused whole.
        """
        ticket.results, ticket.rows, number = wires, (), len(wires)
        try:
            self.writer.ask_for_room()
            meter = sender.meter
            if meter is not None:
                if meter.full:
                    raise meter.error()
                if not ticket.counted:
                    meter.add(number)
            received_us = clock.now_us()
            heavy = number > FEW_EVENTS or ticket.weight > QUICK_BYTES
            results: Sequence[Row | Refused]
            if of_each:
                results = self.aside(heavy, accept_all, wires, of_each, received_us, sent_at)
            else:
                results = self.aside(heavy, rows_of, wires, sender, received_us, sent_at)
            ticket.results, ticket.rows = results, [one for one in results if type(one) is not Refused]
            if len(ticket.rows) < number:
                refusals = [one for one in results if type(one) is Refused]
                metrics.not_accepted(ticket.door, refusals)
                self.counts.refused(sender.project_id, ticket.door, refusals)
            if ticket.rows:
                self.writer.submit(ticket)
            else:
                ticket.settle(())
        except (Unavailable, Limited) as error:
            step = "limit" if isinstance(error, Limited) else "room"
            metrics.turned_away(ticket.door, step, error.code, len(ticket.rows) or number)
            ticket.fail(error)

    def store(
        self,
        wires: Sequence[Any],
        sender: Sender,
        size: int,
        *,
        of_each: Sequence[Sender] | None = None,
        sent_at: int | str | None = None,
    ) -> list[Stored | Refused]:
        """`submit`, and wait until all is durable: a result for each event, in order. `size` is in bytes.

        Raises `Unavailable`: then nothing may be taken for stored. Raises `Limited` where the key has sent too many already.
        """
        ticket = WaitingTicket(sender.door, size + EVENT_OVERHEAD_BYTES * len(wires), self.loop)
        self.submit(wires, sender, ticket, of_each=of_each, sent_at=sent_at)
        return ticket.wait(self.timeout_seconds)

    def unreadable(
        self, error: QuadraError | Refused, size: int, meter: Meter | None, environ: Mapping[str, Any] | None = None
    ) -> None:
        """Note that nothing of a body could be read: refusing is work too.

        It counts as the events that a body of this size usually holds; for a stranger as one try of the address in
        `environ`, which raises `Limited` after too many.
        """
        metrics.refused("body", error.code)
        if meter is not None:
            meter.add(1 + size // EVENT_OVERHEAD_BYTES)
        elif environ is not None:
            self.senders.refusals.count(environ)


def accept_all(
    wires: Sequence[Any], senders: Iterable[Sender], received_us: int, sent_at: int | str | None
) -> list[Row | Refused]:
    """A result for each. Pure."""
    return list(map(accept_or_refuse, wires, senders, repeat(received_us), repeat(sent_at)))
