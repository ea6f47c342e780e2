"""Count what is asked of the database: each statement by what it does and to which table."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event

from quadra.core.observing.metrics import FAST, counter, errors_total, histogram

database_operations_total = counter("database_operations_total", "Statements executed.", ("operation", "table"))
database_operation_duration_seconds = histogram(
    "database_operation_duration_seconds", "Of one statement, until its first rows.", ("operation",), buckets=FAST
)

TABLE = re.compile(r"\b(?:from|into|update)\s+[\"`]?([a-z_]+)", re.IGNORECASE)
VERB = re.compile(r"(?:^\s*|\)\s*)(select|insert|update|delete)\b", re.IGNORECASE)
"""Where the statement begins, or after the queries that `WITH` names."""
STARTED = "quadra_metrics_started"


def measure(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Count the statements of `engine`; a few a flush, never one an event."""

    @lru_cache(maxsize=2_000)
    def children(statement: str) -> tuple[Any, Any]:
        operation, table = names(statement, metadata)
        return (
            database_operations_total.labels(operation, table),
            database_operation_duration_seconds.labels(operation),
        )

    def before(connection: sa.Connection, *_: Any) -> None:
        connection.info[STARTED] = time.perf_counter()

    def after(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        total, duration = children(statement)
        total.inc()
        duration.observe(time.perf_counter() - connection.info[STARTED])

    def failed(context: sa.ExceptionContext) -> None:
        error = context.original_exception
        if not isinstance(context.sqlalchemy_exception, sa.exc.IntegrityError):  # those are answers, and expected
            errors_total.labels(type(error).__name__, "database").inc()

    sa_event.listen(engine, "handle_error", failed)
    sa_event.listen(engine, "before_cursor_execute", before)
    sa_event.listen(engine, "after_cursor_execute", after)


def count(operation: str, table: str, seconds: float) -> None:
    """A statement that did not go through the engine."""
    database_operations_total.labels(operation, table).inc()
    database_operation_duration_seconds.labels(operation).observe(seconds)


def names(statement: str, metadata: sa.MetaData) -> tuple[str, str]:
    """(operation, table) as labels: ours, or `other`."""
    verb = VERB.search(statement)
    operation = verb[1].lower() if verb else ""
    found = TABLE.search(statement)
    table = found[1].lower() if found else ""
    return (
        operation or "other",
        table if table in metadata.tables else "other",
    )
