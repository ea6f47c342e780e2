"""A whole worker on threads of this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.jobs import executor
from quadra.jobs.claim import claim
from quadra.jobs.errors import Permanent, Transient
from quadra.jobs.executor import Executor
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease, release, succeed_together
from quadra.jobs.queue import enqueue_for_batches
from quadra.jobs.resting import LOOK_SECONDS, MOST_SECONDS, Rests
from quadra.jobs.run import Ended, Run
from quadra.jobs.tables import Job, WorkerRow
from quadra.worker import Worker, give_way
from tests.jobs.conftest import count_effects, get, opened
from tests.jobs.effects import effects
from tests.waiting import eventually

Work = Callable[[Runtime, Lease], None]


@contextmanager
def working(
    database: Database, work: Work, *, handlers: dict[str, Handler] | None = None, **given: Any
) -> Iterator[tuple[Executor, list[Ended]]]:
    """An executor that does the kind `insert` with `work`; `handlers` has its handler then, to be changed while it works."""
    handler = Handler(work, **{name: given.pop(name) for name in ("timeout", "together") if name in given})
    handlers = handlers if handlers is not None else {}
    handlers["insert"] = handler
    settings = load(**{"job_lease": "1s", "job_backoff": "20ms", **given})
    ended: list[Ended] = []
    worker = Executor(Runtime(settings, database), handlers)
    worker.on_ended.append(ended.append)
    worker.start()
    try:
        yield worker, ended
    finally:
        worker.stop(5)


def effect(runtime: Runtime, lease: Lease) -> None:
    with runtime.database.begin() as session:
        lease.succeed(session)
        session.execute(sa.insert(effects).values(job_id=lease.job.id, what="done"))


def failing(*errors: BaseException) -> Work:
    """Raises one after the other, then succeeds."""
    left = list(errors)

    def work(runtime: Runtime, lease: Lease) -> None:
        if left:
            raise left.pop(0)
        effect(runtime, lease)

    return work


def state(database: Database, job_id: str) -> str:
    return get(database, job_id).state


def test_a_job_is_done_once_and_told_of(database: Database, add: Callable[..., str]) -> None:
    with working(database, effect) as (worker, ended):
        job_id = add()
        eventually(lambda: bool(ended))
    assert count_effects(database) == {job_id: 1}
    assert (ended[0].job.id, ended[0].state, ended[0].error) == (job_id, "SUCCESS", None)
    assert (state(database, job_id), get(database, job_id).leased_by) == ("SUCCESS", worker.name)


def test_a_handler_that_writes_nothing_here_only_has_to_return(database: Database, add: Callable[..., str]) -> None:
    with working(database, lambda _runtime, _lease: None):
        job_id = add()
        eventually(lambda: state(database, job_id) == "SUCCESS")


@pytest.mark.parametrize("error", [Transient("later"), ValueError("what?"), SystemExit(3)])
def test_a_failed_attempt_is_repeated_with_its_history(
    database: Database, add: Callable[..., str], error: BaseException
) -> None:
    with working(database, failing(error, error)):
        job_id = add()
        eventually(lambda: state(database, job_id) == "SUCCESS")
    job = get(database, job_id)
    assert [entry["attempt"] for entry in job.error_context] == [1, 2]
    assert {entry["error_type"] for entry in job.error_context} == {type(error).__name__}
    assert "raise left.pop(0)" in job.error_context[0]["traceback"]
    assert (job.attempt, job.last_error, count_effects(database)) == (3, None, {job_id: 1})


def test_a_job_dies_after_its_last_attempt(database: Database, add: Callable[..., str]) -> None:
    with working(database, failing(*[Transient("no")] * 9)):
        job_id = add(max_attempts=3)
        eventually(lambda: state(database, job_id) == "FAILED")
        time.sleep(0.3)
    job = get(database, job_id)
    assert (job.attempt, len(job.error_context), job.last_error, count_effects(database)) == (3, 3, "no", {})


def test_a_permanent_error_ends_a_job_at_once(database: Database, add: Callable[..., str]) -> None:
    with working(database, failing(Permanent("never"))):
        job_id = add()
        eventually(lambda: state(database, job_id) == "FAILED")
    assert len(get(database, job_id).error_context) == 1


def test_what_is_away_costs_no_attempt(database: Database, add: Callable[..., str]) -> None:
    with working(database, failing(*[Unavailable("open", retry_after_seconds=0)] * 9)) as (_, ended):
        job_id = add(max_attempts=1)
        eventually(lambda: state(database, job_id) == "SUCCESS")
    assert [one.state for one in ended] == ["PENDING"] * 9 + ["SUCCESS"]
    assert (get(database, job_id).attempt, get(database, job_id).error_context) == (1, [])


def test_an_attempt_that_takes_too_long_has_failed_and_its_effect_is_thrown_away(
    database: Database, add: Callable[..., str]
) -> None:
    release = Event()
    calls: list[int] = []
    handlers: dict[str, Handler] = {}

    def work(runtime: Runtime, lease: Lease) -> None:
        calls.append(lease.job.attempt)
        if lease.job.attempt == 1:
            handlers["insert"] = Handler(work)  # the next attempt has time, however busy the machine is
            release.wait(90)
        effect(runtime, lease)

    short = timedelta(seconds=0.3)
    with working(database, work, handlers=handlers, timeout=short, job_concurrency=1) as (_, ended):
        job_id = add()
        eventually(lambda: state(database, job_id) == "SUCCESS")
        release.set()
        eventually(lambda: len(ended) == 3)
    assert get(database, job_id).error_context[0]["error_type"] == "TimedOut"
    assert [one.state for one in ended] == ["PENDING", "SUCCESS", None]
    assert (calls, count_effects(database)) == ([1, 2], {job_id: 1})


def test_a_worker_with_too_many_hanging_handlers_takes_no_more(
    database: Database, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "ABANDONED_MOST", 2)
    release = Event()

    def hang(_runtime: Runtime, _lease: Lease) -> None:
        release.wait(90)

    with working(database, hang, timeout=timedelta(seconds=0.1), job_concurrency=1) as (worker, _):
        jobs = [add(max_attempts=1) for _ in range(4)]
        eventually(lambda: [state(database, job_id) for job_id in jobs].count("FAILED") == 2)
        assert worker.unfit
        time.sleep(0.3)
        assert sorted(state(database, job_id) for job_id in jobs) == ["FAILED", "FAILED", "PENDING", "PENDING"]
        release.set()


def test_that_a_worker_is_unfit_is_said_once_and_again_only_when_it_changes(
    database: Database, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(executor, "ABANDONED_MOST", 2)
    release = Event()

    def hang(_runtime: Runtime, _lease: Lease) -> None:
        release.wait(90)

    def said() -> list[str]:
        return [record.message for record in caplog.records if record.message.startswith("jobs.worker.")]

    jobs = [add(max_attempts=1) for _ in range(3)]
    with working(database, hang, timeout=timedelta(seconds=0.5), job_concurrency=3) as (worker, _):
        eventually(lambda: all(state(database, job_id) == "FAILED" for job_id in jobs))
        assert worker.unfit
        eventually(lambda: said() == ["jobs.worker.unfit"])
        release.set()
        eventually(lambda: said() == ["jobs.worker.unfit", "jobs.worker.fit"])


def test_a_job_that_is_given_back_and_claimed_again_is_another_run(database: Database, add: Callable[..., str]) -> None:
    """The same attempt of the same job, while the thread of the claim before has not quite ended."""
    add()
    keys = []
    for _ in range(2):
        with database.begin() as session:
            (job,) = claim(session, worker="w", kinds=["insert"], limit=1, length=timedelta(seconds=9))
        with database.begin() as session:
            release(session, job)
        keys.append(Run(job, Handler(effect), timedelta(seconds=9)).key)
    assert keys[0] != keys[1]


def together(spoiled_by: Callable[[Sequence[Lease]], bool], sizes: list[int]) -> Callable[..., None]:
    def work(runtime: Runtime, leases: Sequence[Lease]) -> None:
        sizes.append(len(leases))
        with runtime.database.begin() as session:
            succeed_together(session, leases)
            session.execute(sa.insert(effects), [{"job_id": lease.job.id, "what": "done"} for lease in leases])
            if spoiled_by(leases):
                raise ValueError("not these")

    return work


def test_what_waits_is_done_together(any_database: Database, add: Callable[..., str]) -> None:
    jobs = {add() for _ in range(20)}
    sizes: list[int] = []
    with working(any_database, effect, together=together(lambda _: False, sizes), job_lease="60s") as (_, ended):
        eventually(lambda: len(ended) == 20)
    assert count_effects(any_database) == dict.fromkeys(jobs, 1)
    assert sizes == [20]
    assert {(one.state, one.job.attempt) for one in ended} == {("SUCCESS", 1)}


def test_of_many_that_wait_so_many_are_done_at_once_as_memory_allows(
    database: Database, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those of a turn that fails are done one by one after all others."""
    monkeypatch.setattr("quadra.jobs.run.TURN_MOST", 8)
    jobs = [add() for _ in range(20)]
    sizes: list[int] = []
    spoiled = together(lambda leases: jobs[9] in {lease.job.id for lease in leases}, sizes)
    with working(database, effect, together=spoiled, job_lease="60s") as (_, ended):
        eventually(lambda: len(ended) == 20)
    assert sizes == [8, 8, 4]
    assert count_effects(database) == dict.fromkeys(jobs, 1)
    assert {(one.state, one.job.attempt) for one in ended} == {("SUCCESS", 1)}
    assert {one.job.id for one in ended[-8:]} == set(jobs[8:16])


def test_a_kind_that_rests_is_claimed_afterwards_and_keeps_no_other_waiting(
    database: Database, add: Callable[..., str]
) -> None:
    sizes: list[int] = []
    handlers = {"other": Handler(effect)}
    given: dict[str, Any] = {"together": together(lambda _: False, sizes), "handlers": handlers, "job_lease": "60s"}
    with working(database, effect, **given) as (worker, ended):
        worker._rests._until["insert"] = float("inf")
        jobs = [add() for _ in range(5)]
        other = add(kind="other")
        eventually(lambda: [one.job.id for one in ended] == [other])
        assert {state(database, job_id) for job_id in jobs} == {"PENDING"}
        worker._rests._until.clear()
        worker._wakeup.set()
        eventually(lambda: len(ended) == 6)
    assert sizes == [5]
    assert worker._rests._until.keys() == {"insert"}, "so many at once make it rest"


def test_a_kind_rests_the_longer_the_more_jobs_of_it_were_found() -> None:
    rests = Rests()
    assert (rests.left(), rests.pause()) == ({}, 0.0)
    rests.begin("one", 1)
    rests.begin("many", 1_000)
    left = rests.left()
    assert left["many"] <= MOST_SECONDS
    assert left.get("one", 0.0) < left["many"]
    assert rests.pause() <= LOOK_SECONDS
    eventually(lambda: rests.left() == {})


def test_a_job_that_spoils_it_for_the_others_fails_alone(database: Database, add: Callable[..., str]) -> None:
    jobs = [add(max_attempts=1) for _ in range(5)]
    sizes: list[int] = []

    def alone(runtime: Runtime, lease: Lease) -> None:
        if lease.job.id == jobs[2]:
            raise ValueError("not this")
        effect(runtime, lease)

    spoiled = together(lambda leases: jobs[2] in {lease.job.id for lease in leases}, sizes)
    with working(database, alone, together=spoiled, job_lease="60s") as (_, ended):
        eventually(lambda: len(ended) == 5)
    assert sizes == [5]
    assert count_effects(database) == {job_id: 1 for job_id in jobs if job_id != jobs[2]}
    assert {one.job.id: one.state for one in ended} == dict.fromkeys(jobs, "SUCCESS") | {jobs[2]: "FAILED"}


def test_of_jobs_done_together_one_that_was_taken_away_has_no_effect(
    database: Database, add: Callable[..., str]
) -> None:
    jobs = [add() for _ in range(4)]

    def cancelled(runtime: Runtime, leases: Sequence[Lease]) -> None:
        with runtime.database.begin() as session:
            session.execute(sa.update(Job).where(Job.id == jobs[1]).values(state="DISCARDED", lease_token=None))
        together(lambda _: False, [])(runtime, leases)

    with working(database, effect, together=cancelled, job_lease="60s") as (_, ended):
        eventually(lambda: len(ended) == 4)
    assert count_effects(database) == {job_id: 1 for job_id in jobs if job_id != jobs[1]}
    assert state(database, jobs[1]) == "DISCARDED"


def test_jobs_behind_one_that_takes_too_long_are_given_back_untried(
    database: Database, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [add(max_attempts=1) for _ in range(4)]
    begun, release = Event(), Event()
    monkeypatch.setattr(Run, "overdue", property(lambda run: begun.is_set() and run.lease.job.id == jobs[0]))
    handlers: dict[str, Handler] = {}

    def alone(runtime: Runtime, lease: Lease) -> None:
        if lease.job.id == jobs[0]:
            handlers["insert"] = Handler(effect)
            begun.set()
            release.wait(90)
        effect(runtime, lease)

    spoiled = together(lambda _: True, [])
    with working(database, alone, handlers=handlers, together=spoiled, job_lease="60s", job_concurrency=1) as (
        _,
        ended,
    ):
        eventually(lambda: [state(database, job_id) for job_id in jobs] == ["FAILED", *["SUCCESS"] * 3])
        release.set()
        eventually(lambda: len(ended) == 5)
    assert count_effects(database) == dict.fromkeys(jobs[1:], 1)
    assert {get(database, job_id).attempt for job_id in jobs[1:]} == {1}


def test_no_more_jobs_run_at_once_than_allowed(database: Database, add: Callable[..., str]) -> None:
    now: list[int] = []
    most: list[int] = []

    def work(_runtime: Runtime, _lease: Lease) -> None:
        now.append(1)
        most.append(len(now))
        time.sleep(0.02)
        now.pop()

    with working(database, work, job_concurrency=3) as (_, ended):
        for _ in range(12):
            add()
        eventually(lambda: len(ended) == 12)
    assert max(most) <= 3


def test_long_jobs_keep_their_lease(database: Database, add: Callable[..., str]) -> None:
    def work(runtime: Runtime, lease: Lease) -> None:
        time.sleep(6.2)
        effect(runtime, lease)

    # a machine that stalls delays a heartbeat by seconds
    runtime = Runtime(load(job_lease="6s", job_backoff="20ms"), database)
    worker = Worker(runtime, {"insert": Handler(work)})  # which also takes back what is lost
    worker.start()
    try:
        job_id = add()
        eventually(lambda: state(database, job_id) == "SUCCESS")
    finally:
        worker.stop()
    assert (get(database, job_id).attempt, count_effects(database)) == (1, {job_id: 1})


def test_stopping_gives_back_what_does_not_end_in_time(database: Database, add: Callable[..., str]) -> None:
    begun, release = Event(), Event()

    def work(runtime: Runtime, lease: Lease) -> None:
        begun.set()
        release.wait(90)
        effect(runtime, lease)

    with working(database, work) as (worker, ended):
        job_id = add()
        assert begun.wait(90)
        eventually(lambda: workers(database) == [worker.name])
        worker.stop(0.1)
        assert (state(database, job_id), get(database, job_id).attempt) == ("PENDING", 0)
        release.set()
        eventually(lambda: bool(ended))
    assert (ended[0].state, count_effects(database), state(database, job_id)) == (None, {}, "PENDING")
    assert workers(database) == []


def workers(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(sa.select(WorkerRow.name)))


def test_a_database_that_is_away_when_a_job_ends_is_waited_for(
    tmp_path: Path, add: Callable[..., str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Event()
    begin = database.begin

    @contextmanager
    def sometimes_away() -> Iterator[Any]:
        if away.is_set():
            away.clear()
            raise Unavailable("away")
        with begin() as session:
            yield session

    monkeypatch.setattr(database, "begin", sometimes_away)
    with working(database, lambda _runtime, _lease: away.set()) as (_, ended):
        job_id = add()
        eventually(lambda: bool(ended))
    assert [(one.state, one.job.attempt) for one in ended] == [("SUCCESS", 1)]
    assert state(database, job_id) == "SUCCESS"


def test_a_listening_worker_hears_of_work_and_survives_a_lost_connection(
    postgres_database: Database,
) -> None:
    """MariaDB has nothing to listen to."""
    database = postgres_database

    def add() -> None:
        with database.connect_to_write() as connection:  # which wakes nobody in this process
            enqueue_for_batches(connection, [(uuid7(), 1)], kinds={"insert": 0}, max_attempts=5)

    with working(database, effect, job_poll="10m") as (_, ended):
        time.sleep(0.5)
        add()
        eventually(lambda: len(ended) == 1)
        with database.begin() as session:
            session.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
        with database.begin() as session:  # heard by nobody; found when the listener is back
            session.execute(sa.insert(Job).values(id="quiet", kind="insert", unique_key=None))
        eventually(lambda: len(ended) == 2)
        add()
        eventually(lambda: len(ended) == 3)


def test_a_worker_on_sqlite_hears_of_what_other_connections_enqueue(tmp_path: Path) -> None:
    with opened(sqlite_url(tmp_path / "quadra.db")) as database, working(database, effect, job_poll="1h") as (_, ended):
        for times in range(1, 4):
            with database.connect_to_write() as connection:  # which wakes nobody
                enqueue_for_batches(connection, [(uuid7(), 1)], kinds={"insert": 0}, max_attempts=5)
            eventually(lambda times=times: len(ended) == times)


@pytest.mark.parametrize(("before", "wanted", "after"), [(0, 10, 10), (4, 10, 10), (15, 10, 15), (0, 0, 0)])
def test_a_worker_gives_way_to_the_web_over_a_fake_system(
    monkeypatch: pytest.MonkeyPatch, before: int, wanted: int, after: int
) -> None:
    niceness = [before]

    def fake(more: int) -> int:
        niceness.append(niceness[-1] + more)
        return niceness[-1]

    monkeypatch.setattr(os, "nice", fake)
    give_way(wanted)
    assert niceness[-1] == after


def test_a_worker_that_may_not_give_way_works_all_the_same_over_a_fake_system(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_more: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "nice", refused)
    give_way(10)
    assert [record.message for record in caplog.records] == ["worker.nice.refused"]
