"""Sorted histories of many people as columns: what `funnel_columns` and `path_columns` share."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

BLOCK = 8_192
"""People at a time: what they take in memory is not under DuckDB's bound."""


def blocks(histories: pa.ChunkedArray) -> Iterator[pa.ListArray]:
    for chunk in histories.chunks:
        for start in range(0, len(chunk), BLOCK):
            yield chunk.slice(start, BLOCK)


def begins(column: pa.Array) -> pa.Array:
    """Where a value differs from the one before; the first does."""
    if not len(column):
        return pa.array([], pa.bool_())
    return pa.concat_arrays([pa.array([True]), pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))])
