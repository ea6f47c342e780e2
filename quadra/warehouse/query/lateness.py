"""Ends a statement of DuckDB that takes too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

AGAIN_SECONDS = 0.05


@contextmanager
def interrupted_after(cursor: duckdb.DuckDBPyConnection, seconds: float, late: threading.Event) -> Iterator[None]:
    """Sets `late`, then interrupts until what is inside has ended: DuckDB forgets an interrupt that comes while it plans."""
    done = threading.Event()

    def interrupt() -> None:
        if not done.wait(seconds):
            late.set()
            while not done.is_set():
                cursor.interrupt()
                done.wait(AGAIN_SECONDS)

    watch = threading.Thread(target=interrupt, name="query-timeout", daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()  # an interrupt that came later strikes the next statement
