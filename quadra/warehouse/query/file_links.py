"""The links that the files of one project hold, read once. Files of a month that is over are kept as one table of distinct pairs,
so that a year of people who come every day takes the memory of the people, not of their days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from quadra.warehouse.query.links import earliest, links_in, links_schema
from quadra.warehouse.segments.catalogue import DAY_US, Listed, day_of
from quadra.warehouse.segments.writing import files

FILES_AT_ONCE = 40
"""Read by one statement: one a file takes six times as long where files are small."""
RECENT_US = 2 * DAY_US
"""Before the latest event: files of this time are merged all the time, so each has its own table."""

Placed = Sequence[tuple[Listed, str]]
"""Segments with their paths."""


@dataclass
class _Month:
    segments: set[str] = field(default_factory=set)
    links: pa.Table = field(default_factory=lambda: links_schema().empty_table())
    """Of all of them."""


class FileLinks:
    """Not threadsafe."""

    def __init__(self) -> None:
        self._recent: dict[str, pa.Table] = {}
        self._months: dict[date, _Month] = {}

    def of(self, cursor: duckdb.DuckDBPyConnection, segments: Placed) -> list[pa.Table]:
        """All links of these files, a pair perhaps in several tables."""
        since = max((segment.max_occurred_us for segment, _path in segments), default=0) - RECENT_US
        recent = [pair for pair in segments if pair[0].max_occurred_us >= since]
        older = sorted((pair for pair in segments if pair[0].max_occurred_us < since), key=_month_of)
        months = {month: list(pairs) for month, pairs in groupby(older, _month_of)}
        self._months = {month: self._month(cursor, month, pairs) for month, pairs in months.items()}
        self._recent = {segment.id: self._recent[segment.id] for segment, _path in recent if segment.id in self._recent}
        for some in _in_turns([pair for pair in recent if pair[0].id not in self._recent]):
            self._read(cursor, some)
        return [*(month.links for month in self._months.values()), *self._recent.values()]

    def _month(self, cursor: duckdb.DuckDBPyConnection, name: date, segments: Placed) -> _Month:
        """What is known of it, with what is new. Where a file is gone, all others are read again."""
        ids = {segment.id for segment, _path in segments}
        known = self._months.get(name, _Month())
        if not known.segments <= ids:
            known = _Month()
        unread = [pair for pair in segments if pair[0].id not in known.segments]
        found = [links_in(cursor, files([path for _segment, path in some])) for some in _in_turns(unread)]
        return _Month(ids, earliest([known.links, *found])) if found else known

    def _read(self, cursor: duckdb.DuckDBPyConnection, segments: Placed) -> None:
        found = links_in(cursor, files([path for _segment, path in segments], numbered=0), by="source")
        for number, (segment, _path) in enumerate(segments):
            self._recent[segment.id] = found.filter(pc.equal(found["source"], number)).select(links_schema().names)


def _month_of(placed: tuple[Listed, str]) -> date:
    return day_of(placed[0].min_occurred_us).replace(day=1)


def _in_turns(segments: Placed) -> Iterable[Placed]:
    return (segments[start : start + FILES_AT_ONCE] for start in range(0, len(segments), FILES_AT_ONCE))
