"""The columns of an event as segments and questions have them: one schema for files, for fresh rows, for the relation."""

from __future__ import annotations

from functools import cache

import msgspec
import pyarrow as pa

from quadra.ingest.columns import COLUMNS

_OWN = tuple(column for column in COLUMNS if column.name != "project_id")
NAMES = (_OWN[0].name, "batch_id", *(column.name for column in _OWN[1:]))
TIMES = tuple(column.name for column in COLUMNS if column.is_time)
JSONS = tuple(column.name for column in COLUMNS if column.type is msgspec.Raw)
FLOATS = tuple(column.name for column in COLUMNS if column.type is float)
FLAGS = tuple(column.name for column in COLUMNS if column.type is bool)
EMPTY_TEXTS = tuple(column.name for column in COLUMNS if column.type is str and column.nullable)
"""Texts that an event need not have."""
OUTSIDE = {"event_id": "event_id", "batch_id": "batch_id"} | {
    column.outside: column.name for column in COLUMNS if column.name in NAMES
}
"""What exports and answers call a column -> what it is called here."""
LATER = tuple(column.name for column in COLUMNS if column.kept.later)
"""Segments that were written before them do not have these."""

_SQL = {str: "VARCHAR", float: "DOUBLE", bool: "BOOLEAN", msgspec.Raw: "VARCHAR"}
KINDS = {"batch_id": "VARCHAR"} | {
    column.name: "TIMESTAMPTZ" if column.is_time else _SQL[column.type] for column in _OWN
}
"""The type of each in DuckDB."""
_NOTHING = ", ".join(f"CAST(NULL AS {KINDS[name]}) AS {name}" for name in NAMES)
NO_ROWS = f"SELECT {_NOTHING}, CAST(NULL AS VARCHAR) AS person WHERE false"
"""Every column of a segment with its type, and no row: what is united with it by name has all of them."""

ORDER = "user_id NULLS LAST, occurred_at, event_id"
"""Of the rows in a file: one person's lie together, so that asking for one person reads little."""
ARROW_ORDER = [("user_id", "ascending"), ("occurred_at", "ascending"), ("event_id", "ascending")]
"""The same for Arrow, which puts nulls at the end."""


@cache
def time_type() -> pa.DataType:
    return pa.timestamp("us", tz="UTC")


@cache
def schema() -> pa.Schema:
    """Not a constant: it loads PyArrow (`core/lazy.py`)."""
    types = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), msgspec.Raw: pa.string()}
    first, *others = (
        pa.field(column.name, time_type() if column.is_time else types[column.type], nullable=column.nullable)
        for column in _OWN
    )
    return pa.schema([first, pa.field("batch_id", pa.string(), nullable=False), *others])


def property_path(name: str) -> str:
    """The path of a top-level key for DuckDB's JSON functions, whatever characters it has (a JSON pointer)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
