"""One import: items are accepted, given ids, and stored in groups. What is stored already is found and left alone.

A group is stored on a thread while the next one is read: the database takes its time outside of the interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.bulk import GROUP, append
from quadra.ingest.columns import Row
from quadra.ingest.counts import DUPLICATE, REFUSED, Counts, reason_of
from quadra.ingest.halving import Outcome
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Item
from quadra.ingest.importers.plain import from_fields
from quadra.ingest.importers.shown import FIRST, as_object
from quadra.ingest.importers.times import is_blank
from quadra.ingest.log import Log
from quadra.ingest.plain import rows_of
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import PLAIN, Refused

DOOR = "import"
SHOWN = 5
ID_NAMES = ("event_id", "eventId")
BEGINS = 120
"""How much of a refused line is shown."""
GROUP_BYTES = 4 * 2**20
"""Of the lines or properties of a group, so that large events do not fill the memory."""
SENT_NAMES = ("sent_at", "sentAt")
"""The sender's clock when it sent: years later it says nothing about that clock."""


@dataclass
class Result:
    """What became of an import, as far as it came."""

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    bots: int = 0
    accepted: int = 0
    """What a dry run would have stored, as far as it is not there yet."""
    first: list[dict[str, Any]] = field(default_factory=list)
    """Of a dry run, as they would be stored."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the refusals."""
    refusals: list[tuple[int, str, str]] = field(default_factory=list)
    """The first ones: line, why, how it begins."""

    def refuse(self, number: int, begins: bytes, refused: Refused) -> None:
        self.refused += 1
        self.reasons[reason_of(refused)] += 1
        if len(self.refusals) < SHOWN:
            shown = begins.decode(errors="replace").replace("\0", ", ")  # the cells of a row
            self.refusals.append((number, refused.message.removeprefix("line: "), shown))


def run(
    items: Iterable[Item],
    *,
    project_id: int,
    ids: Ids,
    log: Log | None,
    result: Result,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Import `items` into `result`; without a `log` nothing is stored. Raises `Invalid`, `Unavailable`."""
    accepting = Accepting(project_id, ids)
    storing = Storing(log, result, accepting)
    try:
        for item in items:
            result.read += 1
            storing.add(item)
            if result.read % 500 == 0:
                on_progress()
    finally:
        # also where the file breaks off or somebody lost patience: what was read is not read again in vain
        storing.finish()
        on_progress()


class Gathered(NamedTuple):
    """An item that waits for its group."""

    number: int
    begins: bytes
    given: Any
    """A plain event, or what became of another one: its row, or why it is refused."""
    agent: Agent


class Accepting:
    """Items become rows: plain events many at once, others each by itself."""

    def __init__(self, project_id: int, ids: Ids):
        self._ids = ids
        self._plain = Sender(project_id, DOOR)
        self._sender = lru_cache(maxsize=4096)(lambda agent: Sender(project_id, DOOR, *agent))

    def taken(self, item: Item) -> tuple[Any, int]:
        """(the item as it is gathered, how many bytes of it are)."""
        given: Any = item.fields
        if type(given) is dict:
            given = from_fields(given) or given
        if type(given) not in PLAIN:
            return self._in_full(item), len(item.identity)
        if not (event_id := given.event_id) or not (event_id := event_id.strip()):
            event_id = self._ids.of(item.identity)
        given.event_id = event_id
        return given, len(item.identity) + (0 if given.properties is None else len(bytes(given.properties)))

    def rows(self, gathered: Sequence[Gathered]) -> Iterator[Row | Refused]:
        """Of each, in their order."""
        plain = [one.given for one in gathered if type(one.given) in PLAIN]
        rows = iter(rows_of(plain, self._plain, clock.now_us()))
        for one in gathered:
            if type(one.given) not in PLAIN:
                yield one.given
                continue
            row = next(rows)
            if one.agent is not UNKNOWN and type(row) is Row:
                row.device_type = row.device_type or one.agent.device_type
                row.browser, row.os = row.browser or one.agent.browser, row.os or one.agent.os
                row.bot = one.agent.bot
                row.country, row.region = one.agent.country, one.agent.region
            yield row

    def _in_full(self, item: Item) -> Row | Refused:
        try:
            fields = _identified(item.fields, item.identity, self._ids)
            return accept(_wire(fields), self._sender(item.agent), clock.now_us())
        except Refused as refused:
            return refused


class Storing:
    """Groups of items on their way into the log: one is stored, one is gathered. After a failure there is no further one."""

    def __init__(self, log: Log | None, result: Result, accepting: Accepting):
        self._log = log
        self._result = result
        self._accepting = accepting
        self._gathered: list[Gathered] = []
        self._bytes = 0
        self._under_way: tuple[list[tuple[Gathered, Row]], Future[list[Outcome]]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import")

    def add(self, item: Item) -> None:
        """Raises `Unavailable` of an earlier group."""
        given, size = self._accepting.taken(item)
        self._gathered.append(Gathered(item.number, item.identity[:BEGINS], given, item.agent))
        self._bytes += size
        if len(self._gathered) >= GROUP or self._bytes >= GROUP_BYTES:
            self._start()

    def finish(self) -> None:
        """Raises `Unavailable`."""
        with self._thread:
            self._start()
            self._settle()

    def _start(self) -> None:
        gathered, self._gathered, self._bytes = self._gathered, [], 0
        group = []
        for one, row in zip(gathered, self._accepting.rows(gathered), strict=True):
            if isinstance(row, Refused):
                self._result.refuse(one.number, one.begins, row)
            else:
                self._result.accepted += 1
                self._result.bots += row.bot
                group.append((one, row))
        self._settle()
        if self._log is None:
            self._result.first += [as_object(row) for _, row in group[: FIRST - len(self._result.first)]]
        elif group:
            self._under_way = group, self._thread.submit(append, self._log, [row for _, row in group])

    def _settle(self) -> None:
        """Wait for the group that is under way."""
        if self._under_way is None:
            return
        group, stored = self._under_way
        outcomes = stored.result()
        self._under_way = None
        for (one, row), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Refused):
                self._result.bots -= row.bot
                self._result.refuse(one.number, one.begins, outcome)
            elif outcome[1]:
                self._result.duplicates += 1
            else:
                self._result.stored += 1


def _identified(given: Any, identity: bytes, ids: Ids) -> dict[str, Any]:
    """The fields with an id. Raises `Refused`."""
    if isinstance(given, Refused):
        raise given
    fields = dict(given)
    for name in SENT_NAMES:
        fields.pop(name, None)
    named = {name: fields.pop(name) for name in ID_NAMES if name in fields}
    if all(map(is_blank, named.values())):
        fields["event_id"] = ids.of(identity)
    else:
        fields |= {name: foreign.text(value) for name, value in named.items()}
    return fields


def _wire(fields: dict[str, Any]) -> Any:
    """Raises `Refused`."""
    if (at := fields.get("timestamp")) is not None:
        fields["timestamp"] = foreign.moment(at)
    return foreign.wire(fields, {})


def count(counts: Counts, project_id: int, result: Result) -> None:
    """What an import did not store."""
    if result.duplicates:
        counts.add(project_id, DOOR, DUPLICATE, number=result.duplicates)
    for reason, number in result.reasons.items():
        counts.add(project_id, DOOR, REFUSED, reason, number)
    counts.write()
