"""Whether anything was committed since one looked last, for those who look again and again: asking so costs far less than
their own statements.

Equal stamps mean that two looks see the same rows: SQLite counts what other connections commit, and PostgreSQL's snapshot
names the transactions that one sees. The connection is kept and is of no pool, since SQLite counts by connection.
"""

from __future__ import annotations

import threading
from typing import Any

import sqlalchemy as sa

from quadra.core.runtime import Runtime

Stamp = tuple[int, Any] | None
"""None where it is not known: then somebody who asks has to look."""

STATEMENTS = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}


class Commits:
    """`runtime.the(Commits)`. Blocks; safe from any thread. A file of SQLite that was replaced is not noticed: look all the
    same now and then."""

    def __init__(self, runtime: Runtime):
        self._engine = runtime.database.engine
        self._statement = STATEMENTS.get(self._engine.dialect.name)
        if self._engine.url.database in (None, "", ":memory:"):
            self._statement = None
        self._lock = threading.Lock()
        self._connection: Any = None
        self._opened = 0

    def stamp(self) -> Stamp:
        if self._statement is None:
            return None
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                    self._opened += 1  # another connection counts from another number
                cursor = self._connection.cursor()
                cursor.execute(self._statement)
                # fetched to the end: a statement that is not over keeps the log of SQLite's file from being cut
                found = cursor.fetchall()[0][0]
            except (sa.exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                self._close()
                return None
            return self._opened, found

    def close(self) -> None:
        with self._lock:
            self._close()

    def _connect(self) -> Any:
        borrowed = self._engine.raw_connection()
        if self._engine.dialect.name == "postgresql":
            borrowed.driver_connection.autocommit = True  # type: ignore[union-attr]
        borrowed.detach()
        return borrowed

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
