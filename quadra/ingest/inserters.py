"""How each database takes many events at once. One statement carries all rows: a statement for each would cost more than
the insert, and the writer's thread would fight the event loop for the interpreter at every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, compress, islice
from typing import Any, Protocol, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from quadra.ingest import columns
from quadra.ingest.columns import Row
from quadra.ingest.copying import Copy

COLUMNS = Row.__struct_fields__
NAMES = ("batch_id", *COLUMNS)
JSONS = tuple(column.name for column in columns.COLUMNS if column.type is msgspec.Raw)
FLAGS = tuple(column.name for column in columns.COLUMNS if column.type is bool and not column.nullable)
"""Left out of a row's JSON where they are false."""
_JSON_AT = tuple(COLUMNS.index(name) + 1 for name in JSONS)
SMALL = 16
PORTIONS = (512, 256, 128, 64, 32, SMALL)
"""Rows of one statement on SQLite, which keeps the few there are prepared: fewer than SMALL are one, more are several. The
largest has half of the parameters that SQLite takes."""
_encode = msgspec.json.encode


class Inserter(Protocol):
    """Deduplicating insert."""

    def insert(self, connection: sa.Connection, batch_id: str, rows: list[Row]) -> dict[str, str]:
        """Insert the rows that are new. `rows` are of one project, sorted, without repeats.

        Returns the batch of each event that was there already: event id -> batch id. Raises `NotCopied`.
        """


class PostgresInserter:
    """The rows by COPY, or as one JSON parameter that the server expands."""

    def __init__(self) -> None:
        self._copy = Copy()
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        kept = {column.name: column.kept.sql.compile(dialect) for column in columns.COLUMNS}
        types = ", ".join(f'"{name}" {"text" if kept[name][:7] == "VARCHAR" else kept[name]}' for name in COLUMNS)
        chosen = ", ".join(f'coalesce("{name}", false)' if name in FLAGS else f'"{name}"' for name in COLUMNS)
        self._insert = (
            f"INSERT INTO event (batch_id, {names}) SELECT %s, {chosen} FROM json_to_recordset(%s::json) AS r({types}) "
            "ON CONFLICT DO NOTHING RETURNING event_id"
        )
        self._find = "SELECT event_id, batch_id FROM event WHERE project_id = %s AND event_id = ANY(%s)"

    def insert(self, connection: sa.Connection, batch_id: str, rows: list[Row]) -> dict[str, str]:
        if self._copy.rows(connection, batch_id, rows):
            return {}
        result = connection.exec_driver_sql(self._insert, (batch_id, _encode(rows).decode()))
        if result.rowcount == len(rows):
            result.close()
            return {}
        self._copy.rest()
        inserted = set(result.scalars())
        missed = [row.event_id for row in rows if row.event_id not in inserted]
        found = connection.exec_driver_sql(self._find, (rows[0].project_id, missed))
        return _by_event(found)


class SqliteInserter:
    """Many rows as the parameters of one statement. Each statement gives the interpreter away once, and with the rows as one
    JSON text SQLite took twice as long for them. There is one writer at a time, so what was not there before is new.

    A column that no row has a value for costs as much as any other, and most are such. So many rows name only the columns
    that were filled so far: they grow to what this writer's senders fill, and the statements that are kept stay few.
    """

    def __init__(self) -> None:
        self._filled = frozenset[str]()
        self._few = {size: _insert(NAMES, size) for size in range(1, SMALL)}
        self._many: dict[int, str] = {}
        self._find = (
            "SELECT event_id, batch_id FROM event WHERE project_id = ? AND event_id IN (SELECT value FROM json_each(?))"
        )

    def insert(self, connection: sa.Connection, batch_id: str, rows: list[Row]) -> dict[str, str]:
        ids = _encode([row.event_id for row in rows]).decode()
        existing = _by_event(connection.exec_driver_sql(self._find, (rows[0].project_id, ids)))
        fresh = [row for row in rows if row.event_id not in existing] if existing else rows
        values = [_values(batch_id, row) for row in fresh]
        many = len(values) - len(values) % SMALL
        self._insert_many(connection, values[:many])
        if rest := values[many:]:
            connection.exec_driver_sql(self._few[len(rest)], tuple(chain.from_iterable(rest)))
        return existing

    def _insert_many(self, connection: sa.Connection, values: list[tuple[Any, ...]]) -> None:
        if not values:
            return
        columns = list(zip(*values, strict=True))
        filled = {name for name, column in zip(NAMES, columns, strict=True) if column.count(None) < len(column)}
        if not filled <= self._filled:
            self._filled |= filled
            names = [name for name in NAMES if name in self._filled]
            self._many = {size: _insert(names, size) for size in PORTIONS}
        named = zip(*compress(columns, [name in self._filled for name in NAMES]), strict=True)
        left = len(values)
        while left:
            size = next(size for size in PORTIONS if size <= left)
            connection.exec_driver_sql(self._many[size], tuple(chain.from_iterable(islice(named, size))))
            left -= size


class MysqlInserter:
    """One INSERT of many VALUES (PyMySQL folds an executemany into it), after a look at what is there."""

    def __init__(self) -> None:
        names = ", ".join(f"`{name}`" for name in ("batch_id", *COLUMNS))
        marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
        # not INSERT IGNORE: that would also turn a value that does not fit into a silently cut one
        self._insert = f"INSERT INTO event ({names}) VALUES ({marks}) ON DUPLICATE KEY UPDATE project_id = project_id"

    def insert(self, connection: sa.Connection, batch_id: str, rows: list[Row]) -> dict[str, str]:
        existing = self._existing(connection, rows)
        fresh = [row for row in rows if row.event_id not in existing]
        if fresh:
            connection.exec_driver_sql(self._insert, [_values(batch_id, row) for row in fresh])
            # another writer may have been quicker: its events lie in a batch that is not ours. The row count does not tell,
            # it counts a row that was there like a new one (CLIENT_FOUND_ROWS, which SQLAlchemy's own row counts need)
            raced = self._existing(connection, fresh)
            existing |= {event_id: there for event_id, there in raced.items() if there != batch_id}
        return existing

    def _existing(self, connection: sa.Connection, rows: list[Row]) -> dict[str, str]:
        marks = ", ".join(["%s"] * len(rows))
        find = f"SELECT event_id, batch_id FROM event WHERE project_id = %s AND event_id IN ({marks})"
        found = connection.exec_driver_sql(find, (rows[0].project_id, *(row.event_id for row in rows)))
        return _by_event(found)


def _insert(names: Sequence[str], size: int) -> str:
    """For SQLite."""
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO event ({', '.join(names)}) VALUES {', '.join([row] * size)}"


def _values(batch_id: str, row: Row) -> tuple[Any, ...]:
    values = [batch_id, *msgspec.structs.astuple(row)]
    for at in _JSON_AT:
        if values[at] is not None:
            values[at] = bytes(values[at]).decode()
    return tuple(values)


def _by_event(found: sa.CursorResult[Any]) -> dict[str, str]:
    return dict(cast(Iterable[tuple[str, str]], found.all()))


INSERTERS: dict[str, type[Inserter]] = {
    "postgresql": PostgresInserter,
    "sqlite": SqliteInserter,
    "mysql": MysqlInserter,
}
