"""Pausing, cancelling, deciding in bulk: what workers may and may not do then, on each database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Conflict, NotFound
from quadra.core.runtime import Runtime
from quadra.jobs import bulk, dead_letters, operating, pausing
from quadra.jobs.cancelling import cancel
from quadra.jobs.claim import claim, seconds_until_due
from quadra.jobs.errors import LeaseLost
from quadra.jobs.lease import Lease
from quadra.jobs.questions import Wanted
from quadra.jobs.recover import beat
from quadra.jobs.tables import Job
from tests.jobs.conftest import count_effects, get
from tests.jobs.test_executor import effect, state, working
from tests.jobs.test_lease import WRITES, columns_of
from tests.waiting import eventually

LENGTH = timedelta(seconds=60)


def pause(database: Database, kind: str = "insert") -> None:
    with database.begin() as session:
        pausing.pause(session, kind, by="user:ada", reason="upgrade")


def take(database: Database, *, kinds: tuple[str, ...] = ("insert", "other"), limit: int = 10) -> list[str]:
    with database.begin() as session:
        return [job.id for job in claim(session, worker="w", kinds=kinds, limit=limit, length=LENGTH)]


def due(database: Database, *kinds: str) -> float | None:
    with database.read() as session:
        return min(seconds_until_due(session, kinds=kinds).values(), default=None)


def test_no_worker_claims_a_paused_kind_until_it_is_resumed(any_database: Database, add: Callable[..., str]) -> None:
    held, free = [add() for _ in range(3)], add("other")
    pause(any_database)
    with ThreadPoolExecutor(4) as pool:
        taken = [job_id for found in pool.map(lambda _: take(any_database), range(8)) for job_id in found]
    assert taken == [free]
    # else a worker looks again and again for what it may not have
    assert due(any_database, "insert", "other") is None
    with any_database.begin() as session:
        pausing.resume(session, "insert")
    assert (due(any_database, "insert"), sorted(take(any_database))) == (0, sorted(held))


def test_a_kind_is_paused_once_and_only_where_there_is_one(database: Database, add: Callable[..., str]) -> None:
    add()
    pause(database)
    with pytest.raises(Conflict):
        pause(database)
    with pytest.raises(NotFound):
        pause(database, "nothing")
    with database.begin() as session, pytest.raises(NotFound):
        pausing.resume(session, "other")


def test_nothing_is_written_about_a_job_that_was_cancelled(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add(unique_as="only one")
    with any_database.begin() as session:
        (claimed,) = claim(session, worker="w", kinds=["insert"], limit=1, length=LENGTH)
    with any_database.begin() as session:
        assert cancel(session, job_id, reason="wrong range").state == "DISCARDED"
    before = columns_of(any_database, job_id)
    for write in WRITES.values():
        with pytest.raises(LeaseLost), any_database.begin() as session:
            write(session, Lease(claimed, LENGTH))
    assert columns_of(any_database, job_id) == before
    assert (before["unique_key"], before["last_error"]) == (None, "Cancelled: wrong range")
    assert add(unique_as="only one") != job_id


def test_a_running_job_that_is_cancelled_is_told_to_stop_and_leaves_no_effect(
    database: Database, add: Callable[..., str]
) -> None:
    began, told = Event(), Event()

    def work(runtime: Runtime, lease: Lease) -> None:
        began.set()
        if lease.lost.wait(20):
            told.set()
        effect(runtime, lease)

    # with a lease of ten minutes no heartbeat comes before the test ends
    with working(database, work, job_lease="10m") as (_, ended):
        job_id = add()
        assert began.wait(90)
        with database.begin() as session:
            cancel(session, job_id, reason="wrong range")
        assert told.wait(90)
        eventually(lambda: ended)
    assert (state(database, job_id), count_effects(database), ended[0].state) == ("DISCARDED", {}, None)


def test_a_waiting_job_is_cancelled_and_an_ended_one_is_not(database: Database, add: Callable[..., str]) -> None:
    waits, done = add(), add()
    with database.begin() as session:
        cancel(session, waits, reason="no")
        session.execute(sa.update(Job).where(Job.id == done).values(state="SUCCESS"))
    assert take(database) == []
    for job_id in (waits, done):
        with database.begin() as session, pytest.raises(Conflict):
            cancel(session, job_id, reason="no")


def die(database: Database, *job_ids: str) -> None:
    values = {"state": "FAILED", "unique_key": None, "finished_at": clock.now(), "attempt": 5}
    with database.begin() as session:
        session.execute(sa.update(Job).where(Job.id.in_(job_ids)).values(**values))


def test_many_dead_letters_run_again_and_one_whose_like_is_unfinished_stays(
    any_database: Database, add: Callable[..., str]
) -> None:
    dead = [add(unique_as="a"), add(), add(), add("other")]
    die(any_database, *dead)
    add(unique_as="a")
    noted: list[bulk.Decided] = []
    done = bulk.decide_all(
        any_database,
        Wanted(kind="insert"),
        dead_letters.requeue,
        expected=3,
        note=lambda _session, portion: noted.append(portion),
    )
    assert (sorted(done.changed), list(done.refused), done.left) == (sorted(dead[1:3]), [dead[0]], 0)
    assert [get(any_database, job_id).state for job_id in dead] == ["FAILED", "PENDING", "PENDING", "FAILED"]
    assert [sorted(portion.changed) for portion in noted] == [sorted(dead[1:3])]
    with pytest.raises(Conflict):
        bulk.decide_all(any_database, Wanted(), dead_letters.discard, expected=3, note=lambda *_: None)


def test_arguments_and_errors_are_searched(any_database: Database, add: Callable[..., str]) -> None:
    args = {"id": "training-7", "who": 'Müller "q"'}
    held, _other = add(args=args), add(args={"id": "training_7"})
    history = [{"attempt": 1, "message": "x", "traceback": "Traceback (x"}]
    with any_database.begin() as session:
        session.execute(sa.update(Job).where(Job.id == held).values(last_error="Disk full", error_context=history))
    with any_database.read() as session:
        for text in ("TRAINING-7", "Müller", '"q"', "disk FULL", "Traceback (x"):
            wanted = Wanted(state="PENDING", search=text).conditions()
            assert session.scalars(sa.select(Job.id).where(*wanted)).all() == [held], text


def test_each_kind_in_numbers(any_database: Database, add: Callable[..., str]) -> None:
    now = clock.now()
    add()
    later, running, dead, done = (add() for _ in range(4))
    values: dict[str, dict[str, Any]] = {
        later: {"available_at": now + LENGTH},
        running: {"state": "RUNNING", "started_at": now, "leased_by": "w"},
        dead: {"state": "FAILED", "finished_at": now - timedelta(minutes=7)},
        done: {"state": "SUCCESS", "started_at": now - timedelta(milliseconds=70), "finished_at": now},
    }
    with any_database.begin() as session:
        for job_id, columns in values.items():
            session.execute(sa.update(Job).where(Job.id == job_id).values(**columns))
        beat(session, worker="w", kinds=["insert", "never"], concurrency=1, running=1)
    with any_database.read() as session:
        insert, never = operating.list_kinds(session)
        took = operating.durations(session, kind="insert", length=timedelta(hours=1))
    assert (insert.due, insert.later, insert.running, insert.dead) == (1, 1, 1, 1)
    assert (sum(insert.done), insert.done[-1], sum(insert.failed), insert.failed[-2]) == (1, 1, 1, 1)
    assert (never.kind, never.due, sum(never.done)) == ("never", 0, 0)
    assert (took.jobs, took.counts[operating.BOUNDS_MS.index(100)], took.points[0].p95_ms) == (1, 1, 70.0)
