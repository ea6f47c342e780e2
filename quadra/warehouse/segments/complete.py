"""Which files have every column that there is. They are read as they stand: where some lack one, DuckDB looks into all of them
again for each statement, to bring their columns together.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import duckdb

from quadra.warehouse.columns import NAMES
from quadra.warehouse.query.duck import exactly, quoted, rows

KNOWN_MOST = 50_000
EVERY = frozenset([*NAMES, "person"])


class Columns:
    """Of one process: files never change, so each is looked into once. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, bool] = {}

    def split(self, cursor: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> tuple[list[str], list[str]]:
        """Those that have every column, and the others."""
        with self._lock:
            if new := [path for path in paths if path not in self._known]:
                if len(self._known) + len(new) > KNOWN_MOST:
                    self._known.clear()
                    new = list(paths)
                self._known.update(_looked_into(cursor, new))
            return [path for path in paths if self._known[path]], [path for path in paths if not self._known[path]]


def _looked_into(cursor: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> dict[str, bool]:
    listed = ", ".join(quoted(exactly(path)) for path in paths)
    found = dict(rows(cursor, f"SELECT file_name, list(name) FROM parquet_schema([{listed}]) GROUP BY file_name"))
    return {path: EVERY.issubset(found.get(path, ())) for path in paths}
