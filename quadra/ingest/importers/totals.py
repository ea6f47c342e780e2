"""Daily totals that another tool counted. They are kept and shown as what they are: numbers of somebody else, of nobody's
events, which no question about people or events ever sees.
"""

from __future__ import annotations

import csv
import hashlib
import math
import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.ingest.importers.run import Result
from quadra.ingest.importers.shown import FIRST
from quadra.ingest.importers.source import Source
from quadra.ingest.tables import ImportedTotal
from quadra.ingest.wire import Refused

GROUP = 2_000
NAMES_MOST = 200
VALUES_MOST = 8 * 1024
"""Characters of the names of dimensions, and of their values with the metrics."""


class Total(NamedTuple):
    """What was counted on a day, for some values of dimensions."""

    day: str
    dimensions: dict[str, str]
    metrics: dict[str, float]


Numbered = tuple[int, list[str], Total | Refused]
"""(line, its cells, what it says)"""
Read = Callable[[Source], Iterator[Numbered]]


class Counted(NamedTuple):
    """What a file of totals holds."""

    tool: str
    totals: Iterator[Numbered]


def lines_of(source: Source) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**30))
    reader = csv.reader(source.text())
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, ["not CSV"]
            continue
        yield reader.line_num, row


def day_of(text: str) -> str:
    """`20260131` and `2026-01-31` as the latter. Raises `Refused`."""
    plain = text.strip()
    if len(plain) == 8 and plain.isdecimal():
        plain = f"{plain[:4]}-{plain[4:6]}-{plain[6:]}"
    try:
        return date.fromisoformat(plain).isoformat()
    except ValueError:
        raise Refused("invalid", {"date": f"must be a day such as 2026-01-31, not {text[:40]!r}"}) from None


def number_of(name: str, text: str) -> float:
    """Raises `Refused`."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Refused("invalid", {name: f"must be a number, not {text[:40]!r}"})
    return found


def run(
    counted: Counted,
    *,
    project_id: int,
    database: Database | None,
    result: Result,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Import into `result`; without a `database` nothing is stored."""
    waiting: dict[str, dict[str, Any]] = {}
    try:
        for number, cells, total in counted.totals:
            result.read += 1
            try:
                row = _row(counted.tool, project_id, total)
            except Refused as refused:
                result.refuse(number, "\0".join(cells).encode(errors="replace"), refused)
                continue
            result.accepted += 1
            if database is None and len(result.first) < FIRST:
                result.first.append({"day": row["day"], **row["dimensions"], **row["metrics"]})
            waiting[row["id"]] = row
            if len(waiting) >= GROUP:
                _store(database, waiting, result)
                on_progress()
    finally:
        _store(database, waiting, result)
        on_progress()


def _row(tool: str, project_id: int, total: Total | Refused) -> dict[str, Any]:
    """Raises `Refused`."""
    if isinstance(total, Refused):
        raise total
    report = ",".join(total.dimensions)
    said = msgspec.json.encode([total.day, total.dimensions, sorted(total.metrics)], order="sorted")
    if len(report) > NAMES_MOST or len(said) > VALUES_MOST:
        raise Refused("invalid", {"line": "its dimensions are too long"})
    if b"\\u0000" in said:
        raise Refused("invalid", {"line": "holds a NUL character"})
    return {
        "project_id": project_id,
        "id": hashlib.sha256(f"{tool}\0".encode() + said).hexdigest()[:36],
        "tool": tool,
        "report": report,
        "day": total.day,
        "dimensions": total.dimensions,
        "metrics": total.metrics,
    }


def _store(database: Database | None, waiting: dict[str, dict[str, Any]], result: Result) -> None:
    """A total that is there already is replaced: a later export may count the same day better."""
    rows = list(waiting.values())
    waiting.clear()
    if database is None or not rows:
        return
    mine = sa.and_(ImportedTotal.project_id == rows[0]["project_id"], ImportedTotal.id.in_([row["id"] for row in rows]))
    at = clock.now()
    with database.begin() as session:
        there = len(session.scalars(sa.select(ImportedTotal.id).where(mine)).all())
        if there:
            session.execute(sa.delete(ImportedTotal).where(mine))
        session.execute(sa.insert(ImportedTotal), [{**row, "imported_at": at} for row in rows])
    result.stored += len(rows) - there
    result.duplicates += there
