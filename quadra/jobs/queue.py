"""Put work into the queue. Runs in the caller's transaction: the job exists exactly when what it is about exists."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from quadra.core import clock
from quadra.core.ids import uuid7
from quadra.jobs.tables import Job


def enqueue_for_batch(
    connection: sa.Connection, *, kinds: Iterable[str], project_id: int, batch_id: str, max_attempts: int
) -> None:
    """One job of each kind for a sealed batch."""
    at = clock.now()
    rows = [
        {
            "id": uuid7(),
            "kind": kind,
            "args": {},
            "project_id": project_id,
            "batch_id": batch_id,
            "state": "PENDING",
            "priority": 0,
            "attempt": 0,
            "max_attempts": max_attempts,
            "trigger": "SCHEDULED",
            "error_context": [],
            "available_at": at,
            "created_at": at,
            "updated_at": at,
            "unique_key": f"{kind}:{batch_id}",
        }
        for kind in kinds
    ]
    if rows:
        connection.execute(sa.insert(Job), rows)
