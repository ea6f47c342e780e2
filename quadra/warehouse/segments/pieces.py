"""Rows in the order of a segment, one row group after another: a file of millions is written while some megabytes of it are in
memory. Sorting the rows of a merge as a whole took DuckDB a gigabyte; its sources are in order already, so they are read side by
side.

Of a source that is not in order every row comes out too, only not in its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quadra.warehouse.columns import ARROW_ORDER, NAMES, schema

ROW_GROUP = 61_440
"""Rows that are skipped or read together when one person is asked for."""
ROW_GROUP_BYTES = 32 * 2**20
"""Of large events fewer rows are a group."""
READ_ROWS = 2_048
"""Of one file at once, the least that is in memory of each."""
HELD_ROWS = 65_536
HELD_BYTES = 24 * 2**20
"""Of all files that are read side by side."""

Place = tuple[bool, str, int, str]
"""Where a row belongs: rows without a user come last."""


def written_schema() -> pa.Schema:
    """Of what comes out: the columns of an event, and its person. Files say of none that it is never empty."""
    return pa.schema([*(field.with_nullable(True) for field in schema()), pa.field("person", pa.string())])


def of_table(table: pa.Table, order: pa.Array, people: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows at the places `order`."""
    step = max(1, min(ROW_GROUP, ROW_GROUP_BYTES * len(table) // max(table.nbytes, 1)))
    for at in range(0, len(order), step):
        yield _with_person(table.take(order.slice(at, step)), people)


def of_files(paths: Sequence[Path], people: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows of segments."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in _merged([_File(path, 1 / len(paths)) for path in paths]):
        at = 0
        while at < len(table):
            some = table.slice(at, ROW_GROUP - rows)
            held.append(some)
            at, rows, size = at + len(some), rows + len(some), size + some.nbytes
            if rows == ROW_GROUP or size >= ROW_GROUP_BYTES:
                yield _with_person(pa.concat_tables(held), people)
                held, rows, size = [], 0, 0
    if held:
        yield _with_person(pa.concat_tables(held), people)


def _with_person(table: pa.Table, people: pa.Table) -> pa.RecordBatch:
    user_id = table["user_id"]
    known = pc.index_in(user_id, value_set=people["id"])
    named = table.append_column("person", pc.coalesce(people["person"].take(known), user_id))
    (batch,) = named.combine_chunks().to_batches()
    return batch.cast(written_schema())


class _File:
    """A file that is read a little ahead."""

    def __init__(self, path: Path, share: float):
        """`share`: of what may be held."""
        file = pq.ParquetFile(path)
        self._names = [name for name in NAMES if name in file.schema_arrow.names]
        self._batches = file.iter_batches(READ_ROWS, columns=self._names, use_threads=False)
        self._rows, self._bytes = HELD_ROWS * share, HELD_BYTES * share
        self.held = schema().empty_table()

    def fill(self) -> bool:
        """Whether any row is left, then some are held."""
        if not len(self.held):
            self.held = pa.concat_tables([self.held, *self._read()]).combine_chunks()
        return len(self.held) > 0

    def _read(self) -> Iterable[pa.Table]:
        rows = size = 0
        while rows < self._rows and size < self._bytes and (batch := next(self._batches, None)) is not None:
            rows, size = rows + len(batch), size + batch.nbytes
            yield pa.table(
                [
                    batch[field.name].cast(field.type)
                    if field.name in self._names
                    else pa.nulls(len(batch), field.type)
                    for field in schema()
                ],
                schema=schema(),
            )

    @property
    def last(self) -> Place:
        return self._place(len(self.held) - 1)

    def take(self, until: Place) -> pa.Table:
        """What is held up to there, and no longer is. All of it where it ends there, else rows out of order stay for ever."""
        rows = len(self.held)
        count = rows if until == self.last else bisect_right(range(rows), until, key=self._place)
        taken, self.held = self.held.slice(0, count), self.held.slice(count)
        return taken

    def _place(self, row: int) -> Place:
        user_id, at, event_id = (self.held[name][row] for name, _ in ARROW_ORDER)
        return (not user_id.is_valid, user_id.as_py() or "", at.value, event_id.as_py())


def _merged(files: Sequence[_File]) -> Iterator[pa.Table]:
    """In order: whatever of any file is not behind the first end of what is held."""
    while files := [file for file in files if file.fill()]:
        until = min(file.last for file in files)
        table = pa.concat_tables([file.take(until) for file in files]).combine_chunks()
        yield table.take(pc.sort_indices(table, sort_keys=ARROW_ORDER))
