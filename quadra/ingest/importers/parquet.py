"""Parquet as events: rows as objects, a part of the file at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.ingest.importers import own
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times

ROWS_AT_ONCE = 2_000


def rows(source: Source, times: Times) -> Iterator[dict[str, Any]]:
    """Raises `Invalid` where it is no Parquet file, is not whole, or has no column with a time."""

    def check(names: list[str]) -> None:
        if not own.is_own(names):
            times.place(names, source.name)

    return objects(source, check)


def objects(source: Source, check: Callable[[list[str]], None] = lambda _names: None) -> Iterator[dict[str, Any]]:
    """Rows of any columns that `check` lets pass. Raises `Invalid`."""
    try:
        file = pq.ParquetFile(source.seekable())
        check(file.schema_arrow.names)
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield {name: _plain(value) for name, value in row.items()}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Invalid(f"{source.name} is no whole Parquet file: {str(error).rstrip('.')}.") from error


def _plain(value: Any) -> Any:
    """As JSON has it; a time without a zone is UTC."""
    if isinstance(value, datetime):
        return clock.iso(value) if value.tzinfo else value.isoformat()
    if isinstance(value, date | time | Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
