"""The columns of an event as segments and questions have them: one schema for files, for fresh rows, for the relation."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from quadra.ingest.columns import COLUMNS, Column

TIME = pa.timestamp("us", tz="UTC")

_TYPES = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), msgspec.Raw: pa.string()}


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, TIME if column.is_time else _TYPES[column.type], nullable=column.nullable)


_FIELDS = [_field(column) for column in COLUMNS if column.name != "project_id"]
SCHEMA = pa.schema([_FIELDS[0], pa.field("batch_id", pa.string(), nullable=False), *_FIELDS[1:]])
NAMES = tuple(SCHEMA.names)
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

_SQL = {pa.string(): "VARCHAR", TIME: "TIMESTAMPTZ", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}
_NOTHING = ", ".join(f"CAST(NULL AS {_SQL[field.type]}) AS {field.name}" for field in SCHEMA)
NO_ROWS = f"SELECT {_NOTHING}, CAST(NULL AS VARCHAR) AS person WHERE false"
"""Every column of a segment with its type, and no row: what is united with it by name has all of them."""

ORDER = "user_id NULLS LAST, occurred_at, event_id"
"""Of the rows in a file: one person's lie together, so that asking for one person reads little."""


def property_path(name: str) -> str:
    """The path of a top-level key for DuckDB's JSON functions, whatever characters it has (a JSON pointer)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
