"""One import: items are accepted, given ids, and stored in groups. What is stored already is found and left alone.

A group is stored on a thread while the next one is read: the database takes its time outside of the interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.bulk import GROUP, append
from quadra.ingest.columns import Row
from quadra.ingest.counts import DUPLICATE, REFUSED, Counts, reason_of
from quadra.ingest.halving import Outcome
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Item
from quadra.ingest.importers.plain import row_of
from quadra.ingest.importers.shown import FIRST, as_object
from quadra.ingest.log import Log
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused

DOOR = "import"
SHOWN = 5
ID_NAMES = ("event_id", "eventId")
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

    def refuse(self, number: int, identity: bytes, refused: Refused) -> None:
        self.refused += 1
        self.reasons[reason_of(refused)] += 1
        if len(self.refusals) < SHOWN:
            begins = identity[:120].decode(errors="replace").replace("\0", ", ")  # the cells of a row
            self.refusals.append((number, refused.message.removeprefix("line: "), begins))


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
    sender = lru_cache(maxsize=4096)(lambda agent: Sender(project_id, DOOR, *agent))
    storing = Storing(log, result)
    try:
        for number, identity, given, agent in items:
            result.read += 1
            try:
                fields = _identified(given, identity, ids)
                now_us = clock.now_us()
                row = row_of(fields, agent, project_id, DOOR, now_us) or accept(_wire(fields), sender(agent), now_us)
            except Refused as refused:
                result.refuse(number, identity, refused)
            else:
                result.accepted += 1
                result.bots += row.bot
                if log is not None:
                    storing.add(number, identity, row)
                elif len(result.first) < FIRST:
                    result.first.append(as_object(row))
            if result.read % 500 == 0:
                on_progress()
    finally:
        # also where the file breaks off or somebody lost patience: what was read is not read again in vain
        storing.finish()
        on_progress()


class Storing:
    """Groups of rows on their way into the log: one is stored, one is gathered. After a failure there is no further one."""

    def __init__(self, log: Log | None, result: Result):
        self._log = log
        self._result = result
        self._gathered: list[tuple[int, bytes, Row]] = []
        self._under_way: tuple[list[tuple[int, bytes, Row]], Future[list[Outcome]]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import")

    def add(self, number: int, identity: bytes, row: Row) -> None:
        """Raises `Unavailable` of an earlier group."""
        self._gathered.append((number, identity, row))
        if len(self._gathered) >= GROUP:
            self._start()

    def finish(self) -> None:
        """Raises `Unavailable`."""
        with self._thread:
            self._start()
            self._settle()

    def _start(self) -> None:
        self._settle()
        group, self._gathered = self._gathered, []
        if self._log is not None and group:
            self._under_way = group, self._thread.submit(append, self._log, [row for _, _, row in group])

    def _settle(self) -> None:
        """Wait for the group that is under way."""
        if self._under_way is None:
            return
        group, stored = self._under_way
        outcomes = stored.result()
        self._under_way = None
        for (number, identity, row), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Refused):
                self._result.bots -= row.bot
                self._result.refuse(number, identity, outcome)
            elif outcome[1]:
                self._result.duplicates += 1
            else:
                self._result.stored += 1


def _identified(given: Mapping[str, Any] | Refused, identity: bytes, ids: Ids) -> dict[str, Any]:
    """The fields with an id. Raises `Refused`."""
    if isinstance(given, Refused):
        raise given
    fields = dict(given)
    for name in SENT_NAMES:
        fields.pop(name, None)
    named = {name: fields.pop(name) for name in ID_NAMES if name in fields}
    if all(value in (None, "") for value in named.values()):
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
