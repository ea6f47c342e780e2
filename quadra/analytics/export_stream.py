"""An export on its way: pieces of a file, made as the reader takes them, all of one look.

The look is closed when the last piece was taken, when something fails, and when the reader has gone. What fails after the
first piece breaks the answer off, so that nobody takes half a file for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import csv

from quadra.analytics.export import COLUMNS, Export, sql, unerased
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import snapshot
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.warehouse.query.snapshot import Look

MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
CHUNK_BYTES = 256 * 1024


class Pieces:
    """An iterable for WSGI: the first piece is made at once, so that what is wrong is told while there is still a status."""

    def __init__(self, runtime: Runtime, export: Export):
        self._pieces = _pieces(runtime, export)
        self._first: bytes | None = next(self._pieces, b"")

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._pieces) if first is None else first

    def close(self) -> None:
        self._pieces.close()


def _pieces(runtime: Runtime, export: Export) -> Generator[bytes, None, None]:
    with opened(runtime, export) as (look, statement, params):
        if export.format == "parquet":
            yield from _parquet(runtime, look, statement, params)
        else:
            yield from formatted(export, look, statement, params)


@contextmanager
def opened(runtime: Runtime, export: Export) -> Iterator[tuple[Look, str, Parameters]]:
    """The moment that is exported, and what is asked of it."""
    question, params = export.question, Parameters()
    with runtime.database.read() as session:
        # before the look: who is erased between the two is in neither
        statement = sql(export, params, unerased(session, question.project_id))
    with snapshot(runtime, question, question.range, export=True) as events:
        yield events.knowing(statement), statement, params


def formatted(
    export: Export, look: Look, statement: str, params: Parameters, passed: Callable[[float], None] | None = None
) -> Iterator[bytes]:
    """Anything but Parquet. `passed` is told which part of the days is written, 0 to 1."""
    batches = look.stream_by_day(statement, params, passed)
    if export.format == "csv":
        yield ",".join(COLUMNS).encode() + b"\r\n"
        for batch in batches:
            yield _csv(batch)
    else:
        yield from _json(batches, lines=export.format == "ndjson")


def _csv(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    made: bytes = sink.getvalue().to_pybytes()
    return made


def _json(batches: Iterator[pa.RecordBatch], *, lines: bool) -> Iterator[bytes]:
    between = "\n" if lines else ",\n"
    begun = False
    for batch in batches:
        if batch.num_rows:
            before = between if begun else "" if lines else "["
            yield (before + between.join(batch[0].to_pylist())).encode()
            begun = True
    if lines:
        yield b"\n" if begun else b""
    else:
        yield b"]\n" if begun else b"[]\n"


def _parquet(runtime: Runtime, look: Look, statement: str, params: Parameters) -> Iterator[bytes]:
    """Through a file: its index comes last. Its name is gone before the first piece goes out."""
    path = runtime.settings.data_dir / "spill" / f"export-{uuid7()}.parquet"
    try:
        look.save(statement, params, path)
        file = path.open("rb")
    finally:
        path.unlink(missing_ok=True)
    with file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
