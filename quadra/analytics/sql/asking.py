"""Ask a statement in a process of its own: what it may read goes in, at most some megabytes come out, and it ends in time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import orjson
import pyarrow as pa

from quadra.analytics.sql.child import BYTES_MOST, LENGTH
from quadra.core.errors import Invalid, Unavailable
from quadra.core.settings import Settings
from quadra.warehouse.query.snapshot import Look

COMMAND = (sys.executable, "-m", "quadra.analytics.sql.child")
ANSWER_MOST = 4 * BYTES_MOST


def ask_apart(settings: Settings, look: Look, sql: str, limit: int) -> dict[str, Any]:
    """`columns`, `rows`, `truncated`. Blocks. Raises `Invalid` naming `sql`, or `Unavailable`."""
    view, tables, paths = look.relation(sql)
    seconds = settings.query_timeout.total_seconds()
    told = {
        "sql": sql,
        "limit": limit,
        "view": view,
        "tables": list(tables),
        "paths": paths,
        "memory_mb": settings.query_memory_mb,
        "threads": settings.query_threads,
    }
    process = subprocess.Popen(  # it inherits no setting: those hold passwords
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"PYTHONSAFEPATH": "1"}
    )
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        answer = _exchange(process, [orjson.dumps(told), *(_stream(table) for table in tables.values())])
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    if late.is_set():
        raise Unavailable(f"The statement took longer than {seconds:g} s; ask about less.", code="query_timeout")
    return _read(answer)


def _exchange(process: subprocess.Popen[bytes], blocks: list[bytes]) -> bytes:
    """The child reads everything before it writes, so neither waits for the other."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both were asked for")
    with process.stdin as inward, process.stdout as outward:
        try:
            for block in blocks:
                inward.write(LENGTH.pack(len(block)) + block)
            inward.flush()
        except BrokenPipeError:
            return b""
        return outward.read(ANSWER_MOST)


def _read(answer: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = orjson.loads(answer)
    except orjson.JSONDecodeError:  # it was ended by its bound on memory, before it could say so
        told = {"error": "memory"}
    if told.get("error") == "memory":
        message = "The statement needs more memory than QUADRA_QUERY_MEMORY_MB allows; ask about less."
        raise Unavailable(message, code="query_too_large")
    if "error" in told:
        raise Invalid("The statement cannot be asked.", fields={"sql": told["message"]})
    return told


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
