"""Put work into the queue. Runs in the caller's transaction: the job exists exactly when what it is about exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.ids import uuid7
from quadra.jobs.states import PENDING, UNFINISHED, Trigger
from quadra.jobs.tables import Job
from quadra.jobs.wake import notify, wake_workers

SCHEDULED: Trigger = "SCHEDULED"
MANUAL: Trigger = "MANUAL"


def enqueue(
    session: Session,
    *,
    kind: str,
    max_attempts: int,
    args: Mapping[str, Any] | None = None,
    project_id: int | None = None,
    batch_id: str | None = None,
    unique_as: str | None = None,
    priority: int = 0,
    trigger: Trigger = SCHEDULED,
) -> Job:
    """A new job, PENDING. For a batch it is the only unfinished one of its kind, otherwise of `unique_as` where given.

    Raises `Conflict` when such a job is unfinished; the transaction stays usable.
    """
    row = _row(
        kind=kind,
        args=dict(args or {}),
        project_id=project_id,
        batch_id=batch_id,
        unique_as=unique_as or (f"{kind}:{batch_id}" if batch_id else None),
        priority=priority,
        trigger=trigger,
        max_attempts=max_attempts,
    )
    _insert(session.connection(), [row])
    job = session.get(Job, row["id"])
    if job is None:
        raise Conflict(f"A job {row['unique_as']} is unfinished.")
    wake_workers(session)
    return job


def enqueue_for_batches(
    connection: sa.Connection, batches: Iterable[tuple[str, int]], *, kinds: Mapping[str, int], max_attempts: int
) -> None:
    """One job of each kind (kind -> priority) for sealed batches (batch id, project id), where none is unfinished.

    For the hot path, on a bare connection: workers of other processes are woken; `wake.wake_here` after the commit, for those
    of this process, is left to the caller.
    """
    rows = [
        _row(
            kind=kind,
            args={},
            project_id=project_id,
            batch_id=batch_id,
            unique_as=f"{kind}:{batch_id}",
            priority=priority,
            trigger=SCHEDULED,
            max_attempts=max_attempts,
        )
        for batch_id, project_id in batches
        for kind, priority in kinds.items()
    ]
    if rows:
        _insert(connection, rows)
        notify(connection)


def find_unfinished(session: Session, *, kinds: Collection[str], batch_id: str) -> Job | None:
    """A job of one of these kinds that this batch still waits for."""
    return session.scalar(
        sa.select(Job).where(Job.batch_id == batch_id, Job.kind.in_(kinds), Job.state.in_(UNFINISHED)).limit(1)
    )


def _row(**values: Any) -> dict[str, Any]:
    at = clock.now()
    return {
        "id": uuid7(),
        "state": PENDING,
        "attempt": 0,
        "error_context": [],
        "available_at": at,
        "created_at": at,
        "updated_at": at,
        "unique_key": values["unique_as"],
        **values,
    }


def _insert(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose unique key is free. A refused row is no error: it must not spoil the caller's transaction."""
    connection.execute(INSERTS[connection.dialect.name], rows)


# the rows are parameters, not part of the statement: with them it would be compiled again for each sealed batch.
# not INSERT IGNORE, which also turns a value that does not fit into a silently cut one
_insert_on_mysql = mysql.insert(Job).on_duplicate_key_update(id=sa.literal_column("job.id"))

INSERTS: dict[str, sa.Insert] = {
    "postgresql": postgresql.insert(Job).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(Job).on_conflict_do_nothing(),
    "mysql": _insert_on_mysql,
    "mariadb": _insert_on_mysql,
}
