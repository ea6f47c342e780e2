"""A process that is halted in the middle of a transaction holds its rows. The upkeep of the others does not wait for them and
does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.core import clock, settings
from quadra.core.database import Base, Database
from quadra.core.runtime import Runtime, build
from quadra.health import history
from quadra.health.tables import HealthReport
from quadra.ingest import upkeep as ingest_upkeep
from quadra.ingest.tables import Batch
from quadra.insights import upkeep as insights_upkeep
from quadra.insights.tables import HourCount
from quadra.jobs import upkeep as jobs_upkeep
from quadra.jobs.tables import Job, WorkerRow
from quadra.warehouse.segments.sweeping import sweep
from quadra.warehouse.tables import LIVE, RETIRED, Segment
from tests.jobs.conftest import opened
from tests.jobs.test_recover import take
from tests.waiting import eventually

LONG_AGO = clock.now() - timedelta(days=400)
SECONDS = 20
"""Much less than the 50 s or 60 s for which a statement waits for a row, much more than a busy machine needs."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all tests: making it takes longer than they do."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('locks') / 'quadra.db'}"
    else:
        url = request.getfixturevalue({"postgresql": "postgres"}.get(request.param, request.param)).database()
    with opened(url) as database:
        yield database


@pytest.fixture
def any_database(migrated: Database) -> Iterator[Database]:
    """Without rows."""
    yield migrated
    with migrated.begin() as session:
        for table in (Job, WorkerRow, Batch, HourCount, HealthReport, Segment, Project):
            session.execute(sa.delete(table))


@pytest.fixture
def runtime(any_database: Database, tmp_path: Path) -> Iterator[Runtime]:
    url = any_database.url.render_as_string(hide_password=False)
    made = build(settings.load(database_url=url, data_dir=tmp_path, retention_days=100))
    yield made
    made.database.dispose()


@pytest.fixture
def project(any_database: Database) -> int:
    with any_database.begin() as session:
        made = Project(slug="p", name="P")
        session.add(made)
        session.flush()
        return made.id


@contextmanager
def halted(database: Database, row: sa.ColumnElement[bool], table: type[Base]) -> Iterator[set[Any]]:
    """Another process is in the middle of a transaction that holds this row: the keys it holds, none on SQLite, which locks no
    rows. What happens meanwhile has to be quick.
    """
    (key,) = sa.inspect(table).primary_key[-1:]
    with database.engine.connect() as connection:
        held = set(connection.scalars(sa.select(key).where(row).with_for_update()))
        assert len(held) == 1
        began = time.monotonic()
        yield set() if database.dialect == "sqlite" else held
        assert time.monotonic() - began < SECONDS
        connection.rollback()


def put(database: Database, *rows: Base) -> None:
    with database.begin() as session:
        session.add_all(rows)


def left(database: Database, column: Any, *which: Any) -> set[Any]:
    with database.read() as session:
        return set(session.scalars(sa.select(column).where(*which)))


def names(count: int) -> set[str]:
    return {f"n{number}" for number in range(count)}


def test_silent_workers_are_forgotten(runtime: Runtime, any_database: Database) -> None:
    silent = [WorkerRow(name=name, kinds=[], concurrency=1, heartbeat_at=LONG_AGO) for name in names(5)]
    put(any_database, *silent, WorkerRow(name="alive", kinds=[], concurrency=1))
    for name in ("n3", "alive"):
        with halted(any_database, WorkerRow.name == name, WorkerRow) as held:
            jobs_upkeep.prune(runtime)
            assert left(any_database, WorkerRow.name) == {"alive"} | held


def test_lost_jobs_are_taken_back(runtime: Runtime, any_database: Database, add: Callable[..., str]) -> None:
    jobs = {add() for _ in range(3)}
    for _ in jobs:
        take(any_database, lease_expires_at=clock.now() - timedelta(seconds=1))
    with halted(any_database, Job.id == min(jobs), Job) as held:
        jobs_upkeep.recover_lost(runtime)
        assert left(any_database, Job.id, Job.state == "PENDING") == jobs - held


def test_finished_jobs_are_forgotten(runtime: Runtime, any_database: Database, add: Callable[..., str]) -> None:
    jobs = [add() for _ in range(5)]
    with any_database.begin() as session:
        session.execute(sa.update(Job).where(Job.id.in_(jobs)).values(state="SUCCESS", finished_at=LONG_AGO))
    waiting = add()
    for job_id in (jobs[2], waiting):
        with halted(any_database, Job.id == job_id, Job) as held:
            jobs_upkeep.prune(runtime)
            assert left(any_database, Job.id) == {waiting} | held


def batch(name: str, project: int, **values: Any) -> Batch:
    return Batch(id=name, project_id=project, writer=name, event_count=1, **{"opened_at": LONG_AGO, **values})


def test_old_batches_are_sealed(runtime: Runtime, any_database: Database, project: int) -> None:
    put(any_database, *(batch(name, project) for name in names(4)))
    with halted(any_database, Batch.id == "n1", Batch) as held:
        runtime.batch_kinds = {"analyse": 0}
        ingest_upkeep.seal_by_age(runtime)
        assert left(any_database, Batch.id, Batch.status == "OPEN") == held
        assert left(any_database, Job.batch_id) == names(4) - held


def test_batches_get_their_missing_jobs(runtime: Runtime, any_database: Database, project: int) -> None:
    put(any_database, *(batch(name, project, status="SEALED", opened_at=clock.now()) for name in names(4)))
    with halted(any_database, Batch.id == "n1", Batch) as held:
        runtime.batch_kinds = {"analyse": 0}
        ingest_upkeep.enqueue_missing_lately(runtime)
        assert left(any_database, Job.batch_id) == names(4) - held
    ingest_upkeep.enqueue_missing_lately(runtime)
    assert left(any_database, Job.batch_id) == names(4)


def test_analysed_batches_are_archived(runtime: Runtime, any_database: Database, project: int) -> None:
    done = {"status": "ANALYZED", "segment_id": "s", "analyzed_at": LONG_AGO}
    put(any_database, *(batch(name, project, **done) for name in names(4)))
    put(any_database, batch("new", project, status="SEALED"))
    for name in ("n1", "new"):
        with halted(any_database, Batch.id == name, Batch) as held:
            insights_upkeep.archive(runtime)
            assert left(any_database, Batch.id, Batch.status == "ANALYZED") == held - {"new"}


def test_counts_of_hours_long_ago_are_forgotten(runtime: Runtime, any_database: Database, project: int) -> None:
    hours = [LONG_AGO + timedelta(hours=number) for number in range(4)]
    put(any_database, *(HourCount(project_id=project, hour_at=at, events=1) for at in (*hours, clock.now())))
    now = max(left(any_database, HourCount.hour_at))
    for at in (hours[1], now):
        with halted(any_database, HourCount.hour_at == at, HourCount) as held:
            insights_upkeep.archive(runtime)
            assert left(any_database, HourCount.hour_at) == {now} | held


def test_old_reports_are_forgotten(any_database: Database) -> None:
    slots = [LONG_AGO + timedelta(hours=number) for number in range(4)]
    told: dict[str, Any] = {"at": LONG_AGO, "status": "healthy", "parts": {}, "checks": {}, "source": "s"}
    put(any_database, *(HealthReport(slot_at=at, **told) for at in (*slots, clock.now())))
    now = max(left(any_database, HealthReport.slot_at))
    for at in (slots[1], now):
        with halted(any_database, HealthReport.slot_at == at, HealthReport) as held:
            with any_database.begin() as session:
                history.prune(session, before=clock.now() - timedelta(days=7))
            assert left(any_database, HealthReport.slot_at) == {now} | held


def test_segments_are_retired_and_removed(runtime: Runtime, any_database: Database, project: int) -> None:
    at = dict.fromkeys(("min_occurred_at", "max_occurred_at", "min_received_at", "max_received_at"), LONG_AGO)
    facts: dict[str, Any] = {"project_id": project, "day": date(2024, 1, 1), "rows": 1, "bytes": 1, "links": 0, **at}
    for state in (LIVE, RETIRED):
        ends = {"state": state, "retired_at": LONG_AGO if state == RETIRED else None}
        put(
            any_database,
            *(Segment(id=f"{state}-{n}", path=f"{state}-{n}", sha256=n, **facts, **ends) for n in names(4)),
        )
    with halted(any_database, Segment.id == f"{LIVE}-n1", Segment) as held:
        sweep(runtime)
        assert left(any_database, Segment.id, Segment.state == LIVE) == held
    with any_database.begin() as session:
        session.execute(sa.update(Segment).values(state=RETIRED, retired_at=LONG_AGO))
    with halted(any_database, Segment.id == f"{LIVE}-n1", Segment) as held:
        sweep(runtime)
        assert left(any_database, Segment.id) == held


def test_a_transaction_that_does_nothing_is_ended_by_the_server_and_its_rows_are_free(any_database: Database) -> None:
    """After two minutes on every connection of Quadra; on this one after a second."""
    if any_database.dialect == "sqlite":
        pytest.skip("SQLite: nobody ends a transaction of another process")
    ask, shorten = {
        "postgresql": ("SHOW idle_in_transaction_session_timeout", "SET idle_in_transaction_session_timeout = 1000"),
        "mysql": ("SELECT @@SESSION.idle_transaction_timeout", "SET SESSION idle_transaction_timeout = 1"),
    }[any_database.dialect]
    put(any_database, WorkerRow(name="w", kinds=[], concurrency=1))
    row = sa.select(WorkerRow.name).with_for_update(skip_locked=True)

    def is_free() -> bool:
        with any_database.begin() as session:
            return session.scalar(row) is not None

    with any_database.engine.connect() as connection:
        assert str(connection.scalar(sa.text(ask))) in ("2min", "120")
        connection.rollback()
        connection.exec_driver_sql(shorten)
        connection.commit()
        assert connection.scalar(row) == "w"
        eventually(is_free)
        with pytest.raises(sa.exc.DBAPIError):
            connection.execute(row)
        connection.invalidate()
