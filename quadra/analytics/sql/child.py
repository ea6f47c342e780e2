"""The process that asks one statement and ends: `python -m quadra.analytics.sql.child`, told by `asking.py` over its input.

What a hostile statement breaks is this process, and not the one that serves: it has a bound on memory, may write no file, knows
no secret, and is killed when it takes too long. Its DuckDB may read the project's segments and nothing else.
"""

from __future__ import annotations

import json
import math
import os
import resource
import struct
import sys
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from quadra.analytics.sql.gate import Refused, check

LENGTH = struct.Struct(">Q")
CELL_MOST, BYTES_MOST = 10_000, 8 * 2**20
"""Characters of a value; bytes of all rows."""
MB = 2**20
BESIDE_MB = 256
"""What a process takes that DuckDB does not count."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Told = dict[str, Any]


def main() -> None:
    asked: Told = json.loads(_block(sys.stdin.buffer))
    tables = {name: pa.ipc.open_stream(_block(sys.stdin.buffer)).read_all() for name in asked["tables"]}
    connection = connect(asked, tables)
    _bound(asked["memory_mb"])
    sys.stdout.buffer.write(json.dumps(ask(connection, asked["sql"], asked["limit"])).encode())


def connect(asked: Told, tables: dict[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    """A DuckDB with the relation `events`, shut for good."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": asked["threads"],
            "memory_limit": f"{asked['memory_mb']}MB",
            "temp_directory": "",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    for name, table in tables.items():
        connection.register(name, table)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"CREATE TEMP VIEW events AS {asked['view']}")
    connection.execute("SET allowed_paths = $paths", {"paths": asked["paths"]})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def ask(connection: duckdb.DuckDBPyConnection, sql: str, limit: int) -> Told:
    try:
        check(connection, sql)
        with connection.sql(sql).to_arrow_reader(1_000) as reader:
            return _read(reader, limit)
    except Refused as error:
        return {"error": "refused", "message": str(error)}
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        return {"error": "memory", "message": ""}
    except (duckdb.Error, pa.ArrowException, ValueError, RecursionError) as error:
        return {"error": "wrong", "message": str(error)[:2_000]}


def _read(reader: pa.RecordBatchReader, limit: int) -> Told:
    columns = [{"name": field.name, "type": str(field.type)} for field in reader.schema]
    rows: list[list[Any]] = []
    size = 0
    for batch in reader:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if len(rows) >= limit or size > BYTES_MOST:
                return {"columns": columns, "rows": rows, "truncated": True}
            rows.append([_plain(value) for value in row])
            size += len(json.dumps(rows[-1]))
    return {"columns": columns, "rows": rows, "truncated": False}


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _plain(int(value) if value == value.to_integral_value() else float(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else str(value)
    return text if len(text) <= CELL_MOST else text[:CELL_MOST] + "…"


def _bound(memory_mb: int) -> None:
    """From here on. What is mapped already is counted by the system too."""
    mapped = (
        int(Path("/proc/self/statm").read_text().split()[0]) * PAGE_BYTES if Path("/proc/self/statm").exists() else 0
    )
    most = mapped + (2 * memory_mb + BESIDE_MB) * MB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)


def _block(stream: BinaryIO) -> bytes:
    (length,) = LENGTH.unpack(stream.read(LENGTH.size))
    return stream.read(length)


if __name__ == "__main__":
    main()
