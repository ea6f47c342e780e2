"""New events into PostgreSQL by COPY, which takes half of the processor time there that an INSERT of the same rows does.

COPY knows no ON CONFLICT: one event that is there already, or one value that does not fit, ends it. Nearly always all is new
and fits, so it is tried first. Where it fails the transaction begins again with the statement that can tell which event it was,
and COPY rests until nothing was repeated for a while: whoever repeats events mostly does so for some time, and each COPY that
fails is an error in PostgreSQL's log.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa

from quadra.core.observing.database_metrics import count
from quadra.ingest import columns
from quadra.ingest.columns import Row

LEAST = 16
"""Rows. Fewer are as cheap in one statement."""
REST_SECONDS = 10.0
NULL = "\1"
_TYPES = {column.name: column.type for column in columns.COLUMNS}
_COLUMNS = [(name, _TYPES[name]) for name in Row.__struct_fields__]
_apart = msgspec.structs.astuple


class NotCopied(Exception):
    """Roll back, and write again without COPY."""


class Copy:
    """COPY for one writer."""

    def __init__(self) -> None:
        self._rests_until = float("-inf")

    def rest(self) -> None:
        """The next rows hardly fit either: some of the last were there already."""
        self._rests_until = time.monotonic() + REST_SECONDS

    def rows(self, connection: sa.Connection, batch_id: str, rows: Sequence[Row]) -> bool:
        """Whether they were copied, all of them new. False where nothing was tried. Raises `NotCopied`."""
        if len(rows) < LEAST or time.monotonic() < self._rests_until or connection.dialect.driver != "psycopg":
            return False
        written = text_of(batch_id, rows)
        if written is None:
            return False
        names, text = written
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        began = time.perf_counter()
        try:
            with raw.cursor() as cursor, cursor.copy(f"COPY event ({names}) FROM STDIN (NULL '{NULL}')") as copy:
                copy.write(text)
        except (psycopg.Error, UnicodeError) as error:
            # what is wrong, and whether it is at all, the other statement says as every statement does
            self.rest()
            raise NotCopied from error
        count("insert", "event", time.perf_counter() - began)
        return True


def text_of(batch_id: str, rows: Sequence[Row]) -> tuple[str, str] | None:
    """The columns that hold anything, and the rows as COPY reads them; None where a value holds what divides them."""
    number = len(rows)
    names, nulls = ["batch_id"], 0
    values: list[Sequence[str]] = [[batch_id] * number]
    for (name, type_), column in zip(_COLUMNS, zip(*map(_apart, rows), strict=True), strict=True):
        missing = column.count(None)
        if missing == number:
            continue
        names.append(name)
        nulls += missing
        values.append(_texts(type_, column, missing))
    text = "\n".join(map("\t".join, zip(*values, strict=True)))
    whole = text.count("\t") == number * (len(names) - 1) and text.count("\n") == number - 1 and "\r" not in text
    if not whole or text.count(NULL) != nulls or "\0" in text:
        return None
    return ", ".join(names), text.replace("\\", "\\\\")


def _texts(type_: type, column: tuple[Any, ...], missing: int) -> Sequence[str]:
    if type_ is msgspec.Raw:
        return [NULL if value is None else bytes(value).decode() for value in column]
    if missing:
        return [NULL if value is None else str(value) for value in column]
    if type_ is str:
        return column
    if column.count(column[0]) == len(column):  # the project, the moment of receipt of one request
        return [str(column[0])] * len(column)
    return [str(value) for value in column]
