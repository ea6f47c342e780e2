"""How a long answer is cut: by UTC day, and a full day into parts, so that what is sorted in memory at once is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quadra.warehouse.query.span import Range
from quadra.warehouse.segments.catalogue import DAY_US, Listed

SORTED_ROWS = 20_000
"""At once in memory: with all of their columns as text, a few kilobytes each."""


def days_of(segments: Iterable[Listed], fresh: Iterable[pa.Table]) -> list[int]:
    """The days since 1970 that have events, or may have some."""
    days = {us // DAY_US for segment in segments for us in (segment.min_occurred_us, segment.max_occurred_us)}
    for table in fresh:
        found = pc.unique(pc.floor_temporal(table["occurred_at"], unit="day")).cast(pa.int64())
        days.update(us // DAY_US for us in found.to_pylist())
    return sorted(days)


def parts_of(query: Callable[[str], Any]) -> Iterator[Range]:
    """Ranges of about SORTED_ROWS events each, in order. `query` asks about what is to be cut."""
    (rows,) = query("SELECT count(*) FROM events").rows[0]
    count = -(-rows // SORTED_ROWS)
    edges: list[int] = []
    if count > 1:
        fractions = ", ".join(str(number / count) for number in range(1, count))
        (found,) = query(f"SELECT approx_quantile(occurred_us, [{fractions}]) FROM events").rows[0]
        edges = sorted(set(found))
    # what is only about right as a quantile is an exact edge: the end of one part is the beginning of the next
    for start_us, end_us in pairwise([None, *edges, None]):
        yield Range(start_us, end_us)
