"""Sealed batches and their jobs come into being together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.ingest import batches
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.ingest.upkeep import LOOK_AGAIN, enqueue_missing_ever, enqueue_missing_lately, seal_by_age
from quadra.jobs.handlers import Handler, backfilled, batch_kinds
from quadra.jobs.tables import Job
from quadra.worker import Worker
from tests.jobs.conftest import opened
from tests.waiting import eventually

KINDS = {"analyse": 0, "compact": 5}


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    with opened(any_database_url) as database:
        with database.begin() as session:
            create_project(session, name="Shop")
        yield database


def jobs_of(database: Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with database.read() as session:
        for batch_id, kind in session.execute(sa.select(Job.batch_id, Job.kind).order_by(Job.kind)):
            found.setdefault(batch_id, []).append(kind)
    return found


def make_log(database: Database, writer: str = "w", **options: Any) -> Log:
    return Log(database, writer=writer, **{"batch_max_events": 2, "job_kinds": KINDS, "max_attempts": 3, **options})


def row(event_id: str) -> Row:
    at = clock.now_us()
    fields = {"kind": "event", "name": "click", "event_type": "click", "occurred_at": at, "received_at": at}
    return Row(project_id=1, event_id=event_id, **fields)


def make_batch(database: Database, **values: Any) -> str:
    opened_at = clock.now() - timedelta(hours=1)
    batch = Batch(**{"id": "b1", "project_id": 1, "writer": "dead", "opened_at": opened_at, "event_count": 1, **values})
    with database.begin() as session:
        session.add(batch)
    return batch.id


def test_a_batch_that_its_writer_fills_has_its_jobs(any_database: Database) -> None:
    (sealed,) = make_log(any_database).append([row("a"), row("b")]).sealed
    assert jobs_of(any_database) == {sealed: ["analyse", "compact"]}
    with any_database.read() as session:
        assert {(job.priority, job.max_attempts, job.project_id) for job in session.scalars(sa.select(Job))} == {
            (0, 3, 1),
            (5, 3, 1),
        }


def test_the_worker_seals_what_a_dead_writer_left_and_drops_what_is_empty(any_database: Database) -> None:
    old = make_batch(any_database)
    make_batch(any_database, id="b2", event_count=0)
    make_batch(any_database, id="b3", opened_at=clock.now())
    seal_by_age(Runtime(load(), any_database, KINDS))
    assert jobs_of(any_database) == {old: ["analyse", "compact"]}
    with any_database.read() as session:
        states = {batch.id: batch.status for batch in session.scalars(sa.select(Batch))}
    assert states == {"b1": "SEALED", "b3": "OPEN"}


def test_the_next_look_for_old_batches_is_before_one_can_be_due(any_database: Database) -> None:
    runtime = Runtime(load(batch_max_age="1h"), any_database, KINDS)
    assert seal_by_age(runtime) == LOOK_AGAIN
    make_batch(any_database, opened_at=clock.now() - timedelta(minutes=59, seconds=57))
    assert seal_by_age(runtime) <= timedelta(seconds=3)
    assert seal_by_age(Runtime(load(batch_max_age="4s"), any_database, KINDS)) == timedelta(0)
    assert seal_by_age(Runtime(load(batch_max_age="4s"), any_database, KINDS)) == timedelta(seconds=2)


def test_a_batch_without_events_cannot_be_sealed_by_hand(any_database: Database) -> None:
    batch_id = make_batch(any_database, event_count=0)
    with pytest.raises(Conflict), any_database.begin() as session:
        batches.seal(session, batch_id, job_kinds=KINDS, max_attempts=3)
    assert jobs_of(any_database) == {}


def test_batches_sealed_before_a_kind_existed_get_their_job_once(any_database: Database) -> None:
    settings = load(job_keep="7d")
    before, runtime = Runtime(settings, any_database, KINDS, {"analyse"}), Runtime(settings, any_database, KINDS, KINDS)
    make_batch(any_database, status="SEALED")
    make_batch(any_database, id="open")
    make_batch(any_database, id="pruned", status="SEALED", opened_at=clock.now() - timedelta(days=8))
    with ThreadPoolExecutor(4) as pool:  # several workers look at the same time
        list(pool.map(lambda _: enqueue_missing_ever(before), range(4)))
    enqueue_missing_ever(runtime)
    assert jobs_of(any_database) == {"b1": ["analyse", "compact"]}


def test_a_kind_without_backfill_is_for_batches_of_the_last_hour_and_later_ones(any_database: Database) -> None:
    runtime = Runtime(load(batch_max_age="1m"), any_database, {"deliver": 0})
    make_batch(any_database, id="old", status="SEALED", opened_at=clock.now() - timedelta(hours=2))
    make_batch(any_database, id="new", status="SEALED", opened_at=clock.now() - timedelta(minutes=30))
    enqueue_missing_ever(runtime)
    assert jobs_of(any_database) == {}
    enqueue_missing_lately(runtime)
    assert jobs_of(any_database) == {"new": ["deliver"]}


def test_a_kind_for_every_batch_says_whether_earlier_ones_get_it() -> None:
    with pytest.raises(TypeError, match="backfill"):
        Handler(lambda _runtime, _lease: None, every_batch=True)
    handlers = {
        "analyse": Handler(lambda _runtime, _lease: None, every_batch=True, backfill=True),
        "deliver": Handler(lambda _runtime, _lease: None, every_batch=True, backfill=False),
        "compact": Handler(lambda _runtime, _lease: None),
    }
    assert (set(batch_kinds(handlers)), backfilled(handlers)) == ({"analyse", "deliver"}, {"analyse"})


def test_a_batch_with_a_dead_job_is_not_given_another(any_database: Database) -> None:
    runtime = Runtime(load(), any_database, KINDS, KINDS)
    make_batch(any_database, status="SEALED")
    enqueue_missing_ever(runtime)
    for state in ("FAILED", "DISCARDED", "SUCCESS"):
        with any_database.begin() as session:
            session.execute(sa.update(Job).values(state=state, unique_key=None, finished_at=clock.now()))
        enqueue_missing_ever(runtime)
        seal_by_age(runtime)
        assert jobs_of(any_database) == {"b1": ["analyse", "compact"]}, state


def test_sealing_wakes_the_workers_of_this_process(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quadra.jobs.wake.LOOK_SECONDS", 600.0)
    seen: list[str | None] = []
    handlers = {
        "analyse": Handler(lambda _runtime, lease: seen.append(lease.job.batch_id), every_batch=True, backfill=True)
    }
    worker = Worker(Runtime(load(job_poll="10m", batch_max_age="1h"), any_database), handlers)
    worker.start()
    try:
        time.sleep(0.3)
        ((batch_id, _),) = make_log(any_database).append([row("a")]).outcomes
        with any_database.begin() as session:
            batches.seal(session, batch_id, job_kinds={"analyse": 0}, max_attempts=3)
        eventually(lambda: seen == [batch_id])
    finally:
        worker.stop()
