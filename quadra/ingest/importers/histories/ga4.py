"""Google Analytics 4: the CSV of a report or an exploration, as daily totals.

A file holds tables, each under comments (`# Start date: 20260101`). A table needs a day: the dimension *Date*, or the *Nth day*
of a chart, which counts from the start date. Tables without one are said and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from quadra.core.names import snake_case
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.totals import Numbered, Total, day_of, lines_of, number_of
from quadra.ingest.wire import Refused

DAYS = ("date", "nth_day")
NO_DAY = "this table has no day: add the dimension Date to the report"
START = re.compile(r"#\s*Start date:\s*(\d{8})", re.IGNORECASE)
SUM = re.compile(r"(grand )?totals?", re.IGNORECASE)
NUMBER = re.compile(r"-?\d+(\.\d+)?")


class _Table:
    def __init__(self, header: list[str]):
        self.names = [re.sub(r"\W+", "_", snake_case(cell.strip())).strip("_") for cell in header]
        self.day = next((name for name in DAYS if name in self.names), None)
        self.numbers: frozenset[str] | None = None
        """The metrics, known by the first row."""


def read(source: Source) -> Iterator[Numbered]:
    start: str | None = None
    table: _Table | None = None
    for number, cells in lines_of(source):
        if not any(cell.strip() for cell in cells):
            table = None
        elif cells[0].lstrip().startswith("#"):
            found = START.match(cells[0].strip())
            start = found[1] if found else start
            table = None
        elif table is None:
            table = _Table(cells)
        elif not any(SUM.fullmatch(cell.strip()) for cell in cells):
            try:
                yield number, cells, _total(table, cells, start)
            except Refused as refused:
                yield number, cells, refused


def _total(table: _Table, cells: list[str], start: str | None) -> Total:
    """Raises `Refused`."""
    if table.day is None:
        raise Refused("invalid", {"line": NO_DAY})
    if len(cells) != len(table.names):
        raise Refused("invalid", {"line": f"{len(cells)} cells under {len(table.names)} columns"})
    row = dict(zip(table.names, cells, strict=True))
    day = _day(table.day, row.pop(table.day), start)
    if table.numbers is None:
        table.numbers = frozenset(name for name, cell in row.items() if NUMBER.fullmatch(cell.strip()))
    metrics = {name: number_of(name, row.pop(name)) for name in tuple(row) if name in table.numbers}
    if not metrics:
        raise Refused("invalid", {"line": "holds no number"})
    return Total(day, row, metrics)


def _day(column: str, cell: str, start: str | None) -> str:
    if column == "date":
        return day_of(cell)
    if start is None or not cell.strip().isdecimal() or len(cell) > 6:
        raise Refused("invalid", {"nth_day": "must be a number of days after a line '# Start date: 20260101'"})
    return (date.fromisoformat(day_of(start)) + timedelta(days=int(cell))).isoformat()
