"""Real worker processes that are killed, halted and stopped in the middle of jobs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.ingest.tables import Batch
from quadra.jobs.dead_letters import requeue
from quadra.jobs.queue import enqueue, enqueue_for_batches
from quadra.jobs.tables import Job, WorkerRow
from tests.jobs.conftest import count_effects, get
from tests.jobs.processes import WorkerProcess
from tests.servers.keeper import Keeper
from tests.waiting import PATIENCE_SECONDS, eventually

JOBS, KILLS, LOOKS = 1_000, 20, 12
Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(keeper: Keeper, any_database_url: str, tmp_path: Path) -> Iterator[Start]:
    """`start(job_lease="2s")`: a worker process with these settings."""
    with ExitStack() as stack:

        def begin(*command: str, **settings: str) -> WorkerProcess:
            process = WorkerProcess(keeper, any_database_url, tmp_path / "workers.log", *command, **settings)
            stack.callback(process.kill)
            return process

        yield begin


def states(database: Database) -> dict[str, int]:
    with database.read() as session:
        return dict(session.execute(sa.select(Job.state, sa.func.count()).group_by(Job.state)).all())


def running_at(database: Database, process: WorkerProcess) -> bool:
    query = sa.select(Job.id).where(Job.state == "RUNNING", Job.leased_by.contains(f":{process.pid}:"))
    with database.read() as session:
        return session.scalar(query.limit(1)) is not None


def batch_status(database: Database, batch_id: str) -> str:
    with database.read() as session:
        return session.get_one(Batch, batch_id).status


def is_up(database: Database, process: WorkerProcess) -> bool:
    with database.read() as session:
        return bool(session.scalar(sa.select(WorkerRow.name).where(WorkerRow.name.contains(f":{process.pid}:"))))


def halt_without_locks(database: Database, process: WorkerProcess) -> None:
    """Halt it between its transactions: inside of one its locks stay, and nobody takes the job before the database ends it."""
    while True:
        process.halt()
        try:
            with database.begin() as session:
                for table in (Job, WorkerRow):
                    session.execute(sa.select(table).with_for_update(nowait=True)).all()
            return
        except Unavailable:
            process.go_on()
            time.sleep(0.01)


def test_twenty_kills_lose_nothing_and_do_nothing_twice(any_database: Database, start: Start, tmp_path: Path) -> None:
    hurry = tmp_path / "hurry"
    with any_database.begin() as session:
        batches = [(f"batch-{n}", 1) for n in range(JOBS)]
        enqueue_for_batches(session.connection(), batches, kinds={"insert": 0}, max_attempts=5)
        # long enough for all kills to come before the last of them, however slowly processes start
        session.execute(sa.update(Job).values(args={"seconds": 0.5, "unless": str(hurry)}))
    workers = [start(job_concurrency="4"), start(job_concurrency="4")]
    for n in range(KILLS):
        victim = workers[n % 2]
        eventually(lambda: running_at(any_database, victim))  # noqa: B023 - asked at once
        time.sleep(random.uniform(0, 0.1))
        victim.kill()
        workers[n % 2] = start(job_concurrency="4")
    hurry.touch()
    eventually(lambda: states(any_database) == {"SUCCESS": JOBS}, every=0.2)
    assert set(count_effects(any_database).values()) == {1}
    assert len(count_effects(any_database)) == JOBS
    attempts = count_effects(any_database, "started")
    assert max(attempts.values()) <= 5
    with any_database.read() as session:
        jobs = session.scalars(sa.select(Job)).all()
    cut_off = [entry for job in jobs for entry in job.error_context]
    assert len(cut_off) >= KILLS
    assert {entry["error_type"] for entry in cut_off} == {"WorkerLost"}
    assert all(job.attempt == len(job.error_context) + 1 for job in jobs)


def test_a_halted_worker_that_wakes_up_has_no_effect(
    any_database: Database, start: Start, add: Callable[..., str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    job_id = add(args={"until": str(told)})
    slow = start(job_lease="5s")  # a busy machine must not make it lose the job before it is halted
    eventually(lambda: count_effects(any_database, "started") == {job_id: 1})
    halt_without_locks(any_database, slow)
    told.touch()
    other = start(job_lease="60s")
    eventually(lambda: get(any_database, job_id).state == "SUCCESS")
    assert f":{other.pid}:" in str(get(any_database, job_id).leased_by)
    slow.go_on()
    eventually(lambda: "jobs.lease.lost" in slow.log.read_text())
    assert count_effects(any_database) == {job_id: 1}
    assert get(any_database, job_id).attempt == 2
    assert slow.terminate() == 0


def test_a_job_that_kills_its_worker_ends_as_a_dead_letter_and_blocks_no_other(
    any_database: Database, start: Start, add: Callable[..., str]
) -> None:
    poison = add("poison", max_attempts=3, priority=-1)
    good = [add(max_attempts=20) for _ in range(30)]
    worker = start()
    until = time.monotonic() + PATIENCE_SECONDS
    while get(any_database, poison).state != "FAILED" or states(any_database).get("SUCCESS") != len(good):
        assert time.monotonic() < until, states(any_database)
        if not worker.alive:  # what a supervisor does
            worker = start()
        time.sleep(0.05)
    dead = get(any_database, poison)
    assert [entry["attempt"] for entry in dead.error_context] == [1, 2, 3]
    assert {entry["error_type"] for entry in dead.error_context} == {"WorkerLost"}
    assert count_effects(any_database, "started")[poison] == 3
    assert count_effects(any_database) == dict.fromkeys(good, 1)


def test_a_requeued_dead_letter_runs_once(any_database: Database, start: Start, add: Callable[..., str]) -> None:
    job_id = add(batch_id="b1")
    with any_database.begin() as session:
        values = {"state": "FAILED", "attempt": 5, "unique_key": None, "finished_at": clock.now()}
        session.execute(sa.update(Job).values(**values))
    for _ in range(2):
        start(job_lease="60s")  # a busy machine must not make it lose the job that is counted
    with any_database.begin() as session:
        requeue(session, job_id)
    eventually(lambda: get(any_database, job_id).state == "SUCCESS")
    time.sleep(0.3)
    assert (count_effects(any_database), count_effects(any_database, "started")) == ({job_id: 1}, {job_id: 1})


def test_unavailable_costs_no_attempt(any_database: Database, start: Start, add: Callable[..., str]) -> None:
    job_id = add("unavailable", max_attempts=2)
    worker = start(job_lease="60s")
    eventually(lambda: count_effects(any_database, "started").get(job_id, 0) >= 3)
    assert worker.terminate() == 0  # otherwise it is taken again at any moment
    job = get(any_database, job_id)
    assert (job.state, job.attempt, job.error_context) == ("PENDING", 0, [])
    assert job.last_error == "The breaker is open."


def test_a_worker_told_to_stop_finishes_what_it_can_and_gives_back_the_rest(
    any_database: Database, start: Start, add: Callable[..., str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    quick, endless, waiting = add(args={"until": str(told)}), add(args={"seconds": 600}), add()
    worker = start(job_grace="8s", job_lease="60s")
    eventually(lambda: set(count_effects(any_database, "started")) == {quick, endless})
    os.kill(worker.pid, signal.SIGTERM)
    time.sleep(1)  # it takes no job any more
    told.touch()
    assert worker.terminate() == 0, "it did not wait for the endless one"
    assert [get(any_database, job_id).state for job_id in (quick, endless, waiting)] == [
        "SUCCESS",
        "PENDING",
        "PENDING",
    ]
    given_back = get(any_database, endless)
    assert (given_back.attempt, given_back.error_context, given_back.lease_token) == (0, [], None)
    with any_database.read() as session:
        assert session.scalars(sa.select(WorkerRow)).all() == []


def test_the_command_works_until_it_is_told_to_stop(any_database: Database, start: Start) -> None:
    worker = start("quadra", "worker", batch_max_age="1s")
    eventually(lambda: is_up(any_database, worker))
    with any_database.begin() as session:
        create_project(session, name="Shop")
    with any_database.begin() as session:
        opened_at = clock.now() - timedelta(minutes=1)
        session.add(Batch(id="left", project_id=1, writer="dead", opened_at=opened_at, event_count=1))
    eventually(lambda: batch_status(any_database, "left") != "OPEN")
    assert worker.terminate() == 0


def test_how_soon_a_job_is_claimed(any_database: Database, start: Start) -> None:
    """Measured and printed, not judged: the machine is shared."""
    worker = start()
    eventually(lambda: is_up(any_database, worker))
    time.sleep(0.5)
    waits = []
    for _ in range(LOOKS):
        with any_database.begin() as session:
            job = enqueue(session, kind="insert", max_attempts=5)
        committed_at = clock.now()
        eventually(lambda: get(any_database, job.id).state == "SUCCESS", every=0.01)  # noqa: B023 - asked at once
        started_at = get(any_database, job.id).started_at
        assert started_at is not None
        waits.append((started_at - committed_at).total_seconds() * 1000)
        time.sleep(random.uniform(0.05, 0.2))
    waits.sort()
    print(f"\n{any_database.dialect}: commit to claim, ms: median {waits[LOOKS // 2]:.1f}, worst {waits[-1]:.1f}")  # noqa: T201
    assert worker.terminate() == 0
