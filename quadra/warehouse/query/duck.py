"""One DuckDB for each process: in memory, with bounds on memory and threads, and with no way out of the segments' directory.

Statements come from our own code and values are parameters; that the engine could not read another file, load an
extension or change a setting even if a statement asked for it is the second lock on that door.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from quadra.core.settings import Settings


def connect(settings: Settings, segments: Path) -> duckdb.DuckDBPyConnection:
    spill = settings.data_dir / "spill"
    for directory in (segments, spill):
        directory.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": settings.query_threads,
            "memory_limit": f"{settings.query_memory_mb}MB",
            "temp_directory": str(spill),
            "python_enable_replacements": False,  # a name in a statement is never a variable of ours
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    # as a pattern too: DuckDB compares what a statement says before it looks for what the pattern fits
    allowed = [quoted(f"{directory}/") for directory in (segments, spill, exactly(segments))]
    for statement in (
        f"SET allowed_directories = [{', '.join(allowed)}]",
        "SET enable_external_access = false",
        "SET parquet_metadata_cache = true",
        "SET preserve_insertion_order = false",
        "SET enable_progress_bar = false",  # it writes into the output of a command
        "SET TimeZone = 'UTC'",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def exactly(path: Any) -> str:
    """A path for reading: in a name `*`, `?` and `[` are a pattern for DuckDB, and fit the files of a neighbour."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))


def quoted(text: Any) -> str:
    """A string literal. For names that we made; values of others are parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def arrow(cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
    """The answer as Arrow, without a copy of its rows."""
    return cursor.sql(sql, params=dict(params or {})).to_arrow_table()


def rows(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = cursor.sql(sql).fetchall()
    return found
