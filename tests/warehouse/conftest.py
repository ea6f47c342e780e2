"""A database with two projects, a data directory, and events to put into batches of one's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.job_kinds import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.segments.compaction import compact_some
from tests.servers.schema import bring_up

DAY_US = 86_400_000_000


@contextmanager
def installation(url: str, directory: Path, **settings: Any) -> Iterator[Runtime]:
    given = {"ingest_timeout": "10ms", "segment_grace": "0s", **settings}
    runtime = build(load(database_url=url, data_dir=directory / "data", **given))
    try:
        bring_up(runtime.database)
        with runtime.database.begin() as session:
            if not session.scalar(sa.text("SELECT count(*) FROM project")):
                assert create_project(session, name="Shop").id == 1
                assert create_project(session, name="Blog").id == 2
        yield runtime
    finally:
        warehouse_of(runtime).close()
        runtime.database.dispose()


@pytest.fixture
def runtime(database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    with installation(database_url, tmp_path) as found:
        yield found


@pytest.fixture
def any_runtime(any_database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    with installation(any_database_url, tmp_path) as found:
        yield found


@pytest.fixture
def sqlite_runtime(tmp_path: Path) -> Iterator[Runtime]:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as found:
        yield found


def event(number: int, *, project_id: int = 1, days_ago: float = 0, **fields: Any) -> Row:
    """The event `e-<number>`; its number is its `value` too."""
    now = clock.now_us()
    columns = {
        "kind": "event",
        "name": "click",
        "event_type": "click",
        "user_id": f"u-{number % 10}",
        "value": float(number),
        "occurred_at": now - int(days_ago * DAY_US),
        "received_at": now,
        **fields,
    }
    for name in ("fields", "properties"):
        if isinstance(columns.get(name), dict):
            columns[name] = msgspec.Raw(msgspec.json.encode(columns[name]))
    return Row(project_id=project_id, event_id=f"e-{number}", **columns)


def store(runtime: Runtime, rows: list[Row], *, per_batch: int = 100, seal: bool = True, writer: str = "w") -> None:
    """Append and, unless told otherwise, seal."""
    log = Log(runtime.database, writer=f"{writer}-{clock.now_us()}", batch_max_events=per_batch)
    for at in range(0, len(rows), per_batch):
        log.append(rows[at : at + per_batch])
    if seal:
        with runtime.database.begin() as session:
            opened = sa.update(Batch).where(Batch.status == "OPEN")
            session.execute(opened.values(status="SEALED", sealed_at=clock.now()))


def compact_all(runtime: Runtime, project_id: int = 1) -> None:
    while compact_some(runtime, project_id):
        pass


def age(runtime: Runtime, days: int = 40) -> None:
    """As if all sealed batches were analysed and so old."""
    with runtime.database.begin() as session:
        at = clock.now() - timedelta(days=days)
        sealed = sa.update(Batch).where(Batch.status.in_(("SEALED", "ANALYZED")))
        session.execute(sealed.values(status="ANALYZED", sealed_at=at, analyzed_at=at))


def erase(runtime: Runtime, user_id: str, project_id: int = 1) -> None:
    """As a worker does it, with all that rooms above the warehouse keep."""
    with runtime.database.begin() as session:
        request_erasure(session, project_id, user_id, max_attempts=5)
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[ERASE], limit=1, length=timedelta(minutes=1))
    HANDLERS[ERASE].work(runtime, Lease(job, timedelta(minutes=1)))


def numbers(runtime: Runtime, project_id: int = 1, **bounds: int) -> list[int]:
    """The events that questions see, by number, in order; doubled ones twice."""
    found = query(runtime, project_id, "SELECT CAST(value AS BIGINT) FROM events ORDER BY 1", **bounds)
    return [row[0] for row in found.rows]


def ask(runtime: Runtime, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    return query(runtime, 1, sql, params).rows


def scalar(runtime: Runtime, sql: str, **params: Any) -> Any:
    """Of the database itself."""
    with runtime.database.read() as session:
        return session.scalar(sa.text(sql), params)
