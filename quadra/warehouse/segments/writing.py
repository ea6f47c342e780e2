"""Write a segment: sorted, compressed, on the disk, read back and compared before anybody may list it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.ids import uuid7
from quadra.warehouse.columns import LATER, NAMES, NO_ROWS, ORDER
from quadra.warehouse.query.duck import exactly, quoted, rows
from quadra.warehouse.query.links import IS_LINK
from quadra.warehouse.segments.pieces import ROW_GROUP, ROW_GROUP_BYTES, written_schema
from quadra.warehouse.segments.store import Store
from quadra.warehouse.tables import Segment

RECORDED_WITHIN_SECONDS = 1_800.0
"""From its writing on. A file that is recorded nowhere for an hour is taken for an orphan: a process that was halted in
between must not record it then."""

GROUP_BYTES = 2 * ROW_GROUP_BYTES
"""Of a row group as DuckDB holds it until it is written: short texts take it 16 bytes each."""

COLUMNS = ", ".join(NAMES)
FINGERPRINT = f"count(*), coalesce(sum(hash({COLUMNS})::HUGEINT), 0)"
"""Of rows in any order; every value of every row is in it."""


class WriteFailed(QuadraError):
    """What was written to a segment is not what came back."""

    code = "write_failed"


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and durable, and listed nowhere yet."""

    segment: Segment
    began: float

    @property
    def stale(self) -> bool:
        return time.time() - self.began > RECORDED_WITHIN_SECONDS


def files(paths: Sequence[Any], *, complete: bool = False, numbered: int | None = None) -> str:
    """The relation of these files, and of no others: in a name DuckDB takes some characters for a pattern.

    Columns that came later than the first release are empty in files from before; where all are `complete` none lacks one.
    `numbered` ones have a column `source`: the place of a row's file among them, counted from that number.
    """
    listed = ", ".join(quoted(exactly(path)) for path in paths)
    columns = "*" if numbered is None else f"*, CAST(file_index AS INTEGER) + {numbered} AS source"
    if complete or not LATER:
        read = f"read_parquet([{listed}], hive_partitioning = false)"
        return read if numbered is None else f"(SELECT {columns} FROM {read})"
    by_name = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    return f"(SELECT {columns} FROM {by_name} UNION ALL BY NAME {NO_ROWS})"


def write(
    cursor: duckdb.DuckDBPyConnection,
    store: Store,
    source: str,
    *,
    people: pa.Table,
    project_id: int,
    day: date,
    pieces: Iterator[pa.RecordBatch] | None = None,
) -> Written:
    """Write the rows of `source`, a relation or a query in parentheses, which are all of that day and not none.

    `people` (id -> person) gives the column `person` as it is now; what is learnt later is joined to it (people.py). `pieces` are
    the same rows as a file has them (pieces.py): without them DuckDB sorts all rows in memory.

    Raises `Unavailable` when the store is, `WriteFailed` when the file does not hold the same.
    """
    began, segment_id = time.time(), uuid7()
    name = f"{project_id}/{day:%Y-%m}/{day}-{segment_id}.parquet"
    staged = store.staging(name)
    if pieces is None:
        cursor.register("people_now", people)
        named = f"SELECT {COLUMNS}, coalesce(people_now.person, user_id) AS person FROM {source}"
        rows_of = f"({named} LEFT JOIN people_now ON people_now.id = user_id ORDER BY {ORDER})"
    else:
        rows_of = "pieces"
        cursor.register(rows_of, pa.RecordBatchReader.from_batches(written_schema(), pieces))
    try:
        cursor.execute(
            f"COPY (SELECT * FROM {rows_of}) TO {quoted(staged)} "
            f"(FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, "
            f"ROW_GROUP_SIZE_BYTES {GROUP_BYTES})"
        )
        size, digest = store.publish(name)
    except duckdb.IOException as error:
        raise store.away(error) from error
    (facts,) = rows(
        cursor,
        f"SELECT {FINGERPRINT}, count(*) FILTER ({IS_LINK}), min(epoch_us(occurred_at)), max(epoch_us(occurred_at)), "
        f"min(epoch_us(received_at)), max(epoch_us(received_at)) FROM {files([store.local(name)])}",
    )
    (meant,) = rows(cursor, f"SELECT {FINGERPRINT} FROM {source}")
    if facts[:2] != meant:
        raise WriteFailed(f"Segment {name} holds {facts[:2]} and should hold {meant}.")
    count, _hash, links, *times = facts
    low, high, received_low, received_high = map(clock.from_us, times)
    segment = Segment(
        id=segment_id,
        project_id=project_id,
        day=day,
        path=name,
        rows=count,
        bytes=size,
        sha256=digest,
        links=links,
        min_occurred_at=low,
        max_occurred_at=high,
        min_received_at=received_low,
        max_received_at=received_high,
        verified_at=clock.now(),
    )
    return Written(segment, began)
