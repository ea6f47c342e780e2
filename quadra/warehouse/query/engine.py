"""Ask questions: SQL over the relation `events`, which holds every acknowledged event of one project exactly once.

One snapshot of the database says which segments are live and which rows no compaction has taken yet, so nothing is
missing and nothing is counted twice while files and rows change places. See docs/warehouse.md for the columns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import duckdb
import pyarrow as pa

from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.query.answer import Answer
from quadra.warehouse.query.cache import AnswerCache
from quadra.warehouse.query.duck import connect
from quadra.warehouse.query.fresh import Fresh, FreshRows
from quadra.warehouse.query.partials import Partials
from quadra.warehouse.query.people import People
from quadra.warehouse.query.snapshot import Elsewhere, Look
from quadra.warehouse.query.span import Range
from quadra.warehouse.segments import catalogue
from quadra.warehouse.segments.complete import Columns
from quadra.warehouse.segments.sealed import SealedRows
from quadra.warehouse.segments.soundness import Soundness
from quadra.warehouse.segments.stores import store_of

CLICKHOUSE = "quadra.warehouse.clickhouse.engine"
WAIT_SECONDS = 5.0
"""How long a question may wait for its turn before it is refused."""

EXPORTS_AT_ONCE = 2
"""Of a process, beside its questions."""


class Warehouse:
    """The segments of an installation and what this process remembers of them."""

    def __init__(self, runtime: Runtime):
        self.runtime = runtime
        settings = runtime.settings
        self.store = store_of(settings)
        self.soundness = Soundness(self.store)
        self._lock = threading.Lock()
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._turns = threading.BoundedSemaphore(settings.query_concurrency)
        self._exports = threading.BoundedSemaphore(EXPORTS_AT_ONCE)
        self.fresh = FreshRows(runtime.the(SealedRows))
        self.people = People()
        self.columns = Columns()
        self.answers = AnswerCache()
        self.partials = Partials()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to this process's DuckDB. Close it."""
        with self._lock:
            if self._duck is None:
                self._duck = connect(self.runtime.settings, self.store.root)
            return self._duck.cursor()

    def close(self) -> None:
        with self._lock:
            if self._duck is not None:
                self._duck.close()
                self._duck = None

    @contextmanager
    def look(
        self,
        project_id: int,
        *,
        start_us: int | None = None,
        end_us: int | None = None,
        export: bool = False,
        fresh: Fresh | None = None,
    ) -> Iterator[Look]:
        """Several questions about one moment. An `export` may last as long as its reader likes: it waits for other exports
        and holds no question up. `fresh` is asked instead of all that no compaction has taken. Raises `Unavailable` when too
        many are being asked."""
        turns = self._exports if export else self._turns
        if not turns.acquire(timeout=WAIT_SECONDS):
            raise Unavailable("Too many questions at once; try again.", code="busy", retry_after_seconds=2)
        try:
            cursor = self.cursor()
            try:
                yield self._look(cursor, project_id, start_us, end_us, None if export else self._elsewhere(), fresh)
            finally:
                cursor.close()
        finally:
            turns.release()

    def _elsewhere(self) -> Elsewhere | None:
        """ClickHouse, where questions are asked of it. Its library is optional: imported only here."""
        url = self.runtime.settings.warehouse_url
        if not url or (url.startswith("chdb:") and not self.runtime.serves):  # one process can have a chdb open
            return None
        engine: Elsewhere = import_module(CLICKHOUSE).clickhouse_of(self.runtime)
        return engine

    def identity_map(self, project_id: int, rows: pa.Table | None = None) -> pa.Table:
        """id -> person, for the ids that are not the person's name, as of now. With `rows`, as these and the segments tell:
        a compaction that read all that waits would stop where more waits than a question may read.
        """
        with self.look(project_id, fresh=None if rows is None else Fresh(rows, (), rows.slice(0, 0))) as look:
            return look.identities().people

    def _look(
        self,
        cursor: duckdb.DuckDBPyConnection,
        project_id: int,
        start_us: int | None,
        end_us: int | None,
        elsewhere: Elsewhere | None,
        fresh: Fresh | None,
    ) -> Look:
        kept_us = catalogue.first_kept_us(self.runtime.settings.retention_days)
        if kept_us is not None:
            start_us = kept_us if start_us is None else max(start_us, kept_us)
        with self.runtime.database.snapshot() as session:
            segments = catalogue.live(session, project_id)
            fresh = fresh or self.fresh.read(session, project_id)
        cursor.register("fresh", fresh.table)
        span, timeout = Range(start_us, end_us), self.runtime.settings.query_timeout.total_seconds()
        known = (self.soundness, self.people, self.columns)
        return Look(cursor, *known, project_id, segments, fresh, span, timeout, elsewhere, kept_us)


def warehouse_of(runtime: Runtime) -> Warehouse:
    """The one of this process. DuckDB complains about what is still open when Python ends; `Runtime` closes it."""
    return runtime.the(Warehouse)


def query(
    runtime: Runtime,
    project_id: int,
    sql: str,
    params: Mapping[str, Any] | None = None,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
) -> Answer:
    """One question about the events that occurred in [start_us, end_us). Blocks: call it on a native thread.

    Raises `Unavailable` (503): too many at once, too slow, too much memory, or the database is away.
    """
    began = time.perf_counter()
    with warehouse_of(runtime).look(project_id, start_us=start_us, end_us=end_us) as look:
        answer = look.query(sql, params)
    return Answer(answer.table, answer.rows_read, round((time.perf_counter() - began) * 1000, 3))
