"""An export on its way: pieces of a file, made as the reader takes them, all of one look.

The look is closed when the last piece was taken, when something fails, and when the reader has gone. What fails after the
first piece breaks the answer off, so that nobody takes half a file for a whole one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

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
    question = export.question
    with snapshot(runtime, question, question.range, export=True) as events:
        params = Parameters()
        with runtime.database.read() as session:
            statement = sql(export, params, unerased(session, question.project_id))
        look = events.knowing(statement)
        if export.format == "parquet":
            yield from _parquet(runtime, look, statement, params)
        elif export.format == "csv":
            yield ",".join(COLUMNS).encode() + b"\r\n"
            for batch in look.stream_by_day(statement, params):
                yield _csv(batch)
        else:
            yield from _json(look, statement, params, lines=export.format == "ndjson")


def _csv(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    made: bytes = sink.getvalue().to_pybytes()
    return made


def _json(look: Look, statement: str, params: Parameters, *, lines: bool) -> Iterator[bytes]:
    between = "\n" if lines else ",\n"
    begun = False
    for batch in look.stream_by_day(statement, params):
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
