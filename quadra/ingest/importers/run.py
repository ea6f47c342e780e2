"""One import: items are accepted, given ids, and stored in groups. What is stored already is found and left alone."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.bulk import GROUP, append
from quadra.ingest.columns import Row
from quadra.ingest.counts import DUPLICATE, REFUSED, Counts, reason_of
from quadra.ingest.importers.items import Item
from quadra.ingest.importers.shown import FIRST, as_object
from quadra.ingest.log import Log
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused

DOOR = "import"
SHOWN = 5
IN_MEMORY = 200_000
"""Different lines of which the counts take about 30 MB."""
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

    def refuse(self, item: Item, refused: Refused) -> None:
        self.refused += 1
        self.reasons[reason_of(refused)] += 1
        if len(self.refusals) < SHOWN:
            begins = item.identity[:120].decode(errors="replace").replace("\0", ", ")  # the cells of a row
            self.refusals.append((item.number, refused.message.removeprefix("line: "), begins))


class Ids:
    """Ids for events that have none: a keyed hash of the line and of how many identical ones preceded it.

    Keyed, since the address in a line could otherwise be found by trying all addresses. The counts of the first lines are in
    memory; those of later ones lie in a temporary SQLite database: a file may have more lines than there is memory.
    """

    def __init__(self, secret: str):
        self._key = hashlib.sha256(f"imported:{secret}".encode()).digest()
        self._first: dict[bytes, int] = {}
        self._counts = sqlite3.connect("", isolation_level=None)
        self._counts.execute("PRAGMA journal_mode=OFF")
        self._counts.execute("CREATE TABLE seen (line BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
        self._counts.execute("BEGIN")

    def of(self, identity: bytes) -> str:
        digest = hmac.digest(self._key, identity, "sha256")
        return hmac.digest(self._key, digest + self._before(digest[:16]).to_bytes(8, "big"), "sha256").hex()[:40]

    def _before(self, line: bytes) -> int:
        """How many such lines there were before this one."""
        if line in self._first or len(self._first) < IN_MEMORY:
            self._first[line] = times = self._first.get(line, -1) + 1
            return times
        found = self._counts.execute(
            "INSERT INTO seen VALUES (?, 0) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times", (line,)
        ).fetchone()
        return int(found[0])

    def close(self) -> None:
        self._counts.close()


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
    waiting: list[tuple[Item, Row]] = []
    try:
        for item in items:
            result.read += 1
            try:
                row = accept(_wire(item, ids), sender(item.agent), clock.now_us())
            except Refused as refused:
                result.refuse(item, refused)
            else:
                result.accepted += 1
                result.bots += row.bot
                if log is not None:
                    waiting.append((item, row))
                elif len(result.first) < FIRST:
                    result.first.append(as_object(row))
            if len(waiting) >= GROUP:
                _store(waiting, log, result)
            if result.read % 500 == 0:
                on_progress()
    finally:
        # also where the file breaks off or somebody lost patience: what was read is not read again in vain
        _store(waiting, log, result)
        on_progress()


def _store(waiting: list[tuple[Item, Row]], log: Log | None, result: Result) -> None:
    rows, held = [row for _, row in waiting], list(waiting)
    waiting.clear()
    if log is None or not rows:
        return
    for (item, row), outcome in zip(held, append(log, rows), strict=True):
        if isinstance(outcome, Refused):
            result.bots -= row.bot
            result.refuse(item, outcome)
        elif outcome[1]:
            result.duplicates += 1
        else:
            result.stored += 1


def _wire(item: Item, ids: Ids) -> Any:
    """Raises `Refused`."""
    if isinstance(item.fields, Refused):
        raise item.fields
    fields = dict(item.fields)
    for name in SENT_NAMES:
        fields.pop(name, None)
    named = {name: fields.pop(name, None) for name in ID_NAMES}
    if all(value in (None, "") for value in named.values()):
        fields["event_id"] = ids.of(item.identity)
    else:
        fields |= {name: foreign.text(value) for name, value in named.items()}
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
