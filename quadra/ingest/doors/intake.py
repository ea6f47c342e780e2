"""What all doors of ingest share: who holds which write key, and tickets that wait for the writer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

from quadra.accounts.keys import TOUCH_EVERY, Key, KeyRing, find_key, origin_allowed, touch_keys
from quadra.core import clock
from quadra.core.errors import Forbidden, Unauthorised, Unavailable
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Loop, Threads
from quadra.ingest import metrics
from quadra.ingest.accept import Sender, accept
from quadra.ingest.agents import browser_of
from quadra.ingest.columns import Row
from quadra.ingest.doors import body
from quadra.ingest.doors.quota import Quota
from quadra.ingest.doors.refusals import Refusals
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Outcome, Writer

logger = logging.getLogger(__name__)
T = TypeVar("T")

SMALL_BYTES = 4 * 1024
"""A body up to this size may hold anything and is still read within milliseconds, on the event loop."""
QUICK_BYTES = 128 * 1024
"""Up to this one is tried on the loop, in the one quick way; what is not read by it goes to a thread."""
FEW_EVENTS = 500
"""That are checked on the loop."""


class Stored(NamedTuple):
    """An event that is durable."""

    event_id: str
    batch_id: str
    duplicate: bool


class Intake:
    """Keys and the writer of this web process."""

    def __init__(self, runtime: Runtime, writer: Writer):
        self.writer = writer
        self.loop: Loop = runtime.loop
        self.timeout_seconds = runtime.settings.ingest_timeout.total_seconds()
        self._database = runtime.database
        self._threads = Threads(runtime.loop, 2, "keys")  # its own: a key must not wait behind a slow question
        self._wake = KeyRing(self._load)
        self.quota = Quota(runtime)
        self.refusals = Refusals(runtime.settings)
        # two: more at once take turns within the interpreter anyway, and each holds its body in memory
        self._heavy = Threads(runtime.loop, 2, "heavy")
        self._looking: set[str] = set()
        self._noted: dict[int, datetime] = {}

    def key(self, plain: str) -> Key:
        """The write key. Raises `Unauthorised`, `Forbidden` (not a write key), or `Unavailable` (database away)."""
        key = self.find(plain)
        if key is None:
            raise Unauthorised(
                "A write key is needed (header X-Quadra-Key)." if not plain else "This key is not known."
            )
        if key.scope != "ingest":
            raise Forbidden("This key cannot send events; use a write key.")
        return key

    def key_of(self, environ: Mapping[str, Any], plain: str) -> Key:
        """The same for a request. Raises `Limited` for strangers who were refused too often."""
        try:
            return self.key(plain)
        except (Unauthorised, Forbidden):
            self.refusals.count(environ)
            raise

    def look_for_key(self, environ: Mapping[str, Any], text: bytes) -> None:
        """Whether a plain body holds a write key at all, asked before much is made of it.

        Raises as `key_of` does. Which key it is and whether it stands in the right place is for the door to say.
        """
        for plain in body.keys_in(text):
            key = self.find(plain)
            if key is not None and key.scope == "ingest":
                return
        self.refusals.count(environ)
        raise Unauthorised("A write key that is known is needed (header X-Quadra-Key).")

    def aside(self, heavy: bool, function: Callable[..., T], *args: Any) -> T:
        """Call `function` here or, where it may take long, on a native thread while the loop goes on."""
        return self._heavy.run(function, *args) if heavy else function(*args)

    def find(self, plain: str) -> Key | None:
        if not plain or len(plain) > 200 or not plain.isascii():
            return None
        fresh, key = self._wake.cached(plain)
        if fresh:
            return key
        if key is not None:
            self.refresh(plain)
            return key
        try:  # a driver may wait for a frozen server for much longer than a sender does
            key = self._threads.run_within(self.timeout_seconds, self._load, plain)
        except TimeoutError as error:
            raise Unavailable("The database does not answer; try again.", retry_after_seconds=2) from error
        self._wake.store(plain, key)
        return key

    def refresh(self, plain: str) -> tuple[bool, Key | None]:
        """(still fresh, key) without waiting. A key that was known a minute ago serves while it is looked up behind: many
        senders must not wait for a database that hangs, and the writer says whether their events can be stored.
        """
        fresh, key = self._wake.cached(plain)
        if not fresh and plain not in self._looking:
            self._looking.add(plain)
            self._threads.submit(lambda: self._load(plain), lambda found, error: self._refreshed(plain, found, error))
        return fresh, key

    def _refreshed(self, plain: str, key: Key | None, error: BaseException | None) -> None:
        self._looking.discard(plain)
        if error is None:
            self._wake.store(plain, key)
        elif not isinstance(error, Unavailable):
            logger.error("ingest.key.lookup_failed", exc_info=error)

    def _load(self, plain: str) -> Key | None:
        with self._database.read() as session:
            key = find_key(session, plain)
        at = clock.now()
        if key is not None and at - self._noted.get(key.id, clock.EPOCH) > TOUCH_EVERY:
            self._noted[key.id] = at
            with self._database.begin() as session:
                touch_keys(session, {key.id: at})
        return key

    def sender(self, key: Key, *, door: str, user_agent: str, origin: str, needs_identity: bool = False) -> Sender:
        """Whoever sends with `key` from there. Raises `Forbidden` when the key does not allow the origin."""
        if not origin_allowed(key.origins, origin):
            raise Forbidden(f"This key does not allow the origin {origin or '(none)'}.", code="origin")
        device = browser_of(user_agent)
        # only browsers send an Origin: a server's own user agent says nothing about the people it speaks for
        is_browser = bool(origin)
        return Sender(
            project_id=key.project_id,
            door=door,
            device_type=device.device_type if is_browser else None,
            browser=device.browser if is_browser else None,
            os=device.os if is_browser else None,
            bot=device.bot and is_browser,
            meter=self.quota.meter(key.id),
            needs_identity=needs_identity,
        )

    def store(
        self, wires: Sequence[Any], sender: Sender | Sequence[Sender], weight: int, sent_at: int | str | None = None
    ) -> list[Stored | Refused]:
        """Accept and write; waits until durable. One outcome for each wire event, in order, with its event id.

        `sender` is one for all, or one for each. Raises `Unavailable`: then nothing may be taken for stored. Raises
        `Limited` where the key has sent too many events already; the request that reaches its limit is stored whole.
        """
        first = sender if isinstance(sender, Sender) else sender[0] if sender else None
        door, meter = (first.door, first.meter) if first else ("http", None)
        try:
            self.writer.ask_for_room()
        except Unavailable:
            metrics.turned_away(door, "retry", len(wires))
            raise
        if meter is not None:
            if meter.full:
                metrics.turned_away(door, "retry", len(wires))
                raise meter.error()
            meter.add(len(wires))
        heavy = len(wires) > FEW_EVENTS or weight > QUICK_BYTES
        outcomes, rows = self.aside(heavy, accept_all, wires, sender, clock.now_us(), sent_at)
        if len(rows) < len(outcomes):
            metrics.turned_away(door, "refused", len(outcomes) - len(rows))
        if rows:
            ticket = WaitingTicket(rows, weight, door, self.loop)
            try:
                self.writer.submit(ticket)
            except Unavailable:
                metrics.turned_away(door, "retry", len(rows))
                raise
            settled = iter(ticket.wait(self.timeout_seconds))
            outcomes = [next(settled) if type(outcome) is Row else outcome for outcome in outcomes]
        return outcomes


def accept_all(
    wires: Sequence[Any], sender: Sender | Sequence[Sender], received_us: int, sent_at: int | str | None = None
) -> tuple[list[Any], list[Row]]:
    """(a row or a `Refused` for each, the rows). Pure."""
    outcomes: list[Any] = []
    rows: list[Row] = []
    senders = repeat(sender) if isinstance(sender, Sender) else sender
    for wire, who in zip(wires, senders, strict=False):
        try:
            row = accept(wire, who, received_us, sent_at)
        except Refused as refused:
            outcomes.append(refused)
        else:
            rows.append(row)
            outcomes.append(row)
    return outcomes, rows


class WaitingTicket:
    """A ticket whose greenlet waits."""

    __slots__ = ("_done", "_error", "_outcomes", "door", "rows", "weight")

    def __init__(self, rows: Sequence[Row], weight: int, door: str, loop: Loop):
        self.rows = rows
        self.weight = weight
        self.door = door
        self._done = loop.waiter()
        self._outcomes: Sequence[Outcome] | None = None
        self._error: Unavailable | None = None

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes
        self._done.set()

    def fail(self, error: Unavailable) -> None:
        self._error = error
        self._done.set()

    def wait(self, timeout_seconds: float) -> list[Stored | Refused]:
        """Raises `Unavailable` when the write failed or did not end in time (it may still end well: a repetition is safe)."""
        self._done.wait(timeout_seconds)
        if self._error is not None:
            raise self._error
        if self._outcomes is None:
            raise Unavailable("The database is too slow at the moment; try again.")
        return [
            outcome if type(outcome) is Refused else Stored(row.event_id, outcome[0], outcome[1])  # type: ignore[index]
            for row, outcome in zip(self.rows, self._outcomes, strict=True)
        ]
