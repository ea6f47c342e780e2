"""Jobs come back from workers that died or hang; finished ones are forgotten, dead letters are not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.jobs.claim import claim
from quadra.jobs.recover import beat, find_lost, prune, prune_workers, recover
from quadra.jobs.tables import Job, WorkerRow
from tests.jobs.conftest import get

STUCK = timedelta(minutes=15)
BACKOFF = timedelta(seconds=60)


def take(database: Database, **values: Any) -> None:
    with database.begin() as session:
        (job,) = claim(session, worker="w", kinds=["insert"], limit=1, length=BACKOFF)
        session.execute(sa.update(Job).where(Job.id == job.id).values(leased_by="w", **values))


def recover_all(database: Database) -> list[Any]:
    with database.read() as session:
        lost = find_lost(session, stuck_after=STUCK)
    done = []
    for job_id in lost:
        with database.begin() as session:
            done.append(recover(session, job_id, stuck_after=STUCK, backoff=BACKOFF))
    return [one for one in done if one is not None]


def test_a_job_whose_lease_ran_out_is_tried_again_later(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add()
    take(any_database, lease_expires_at=clock.now() - timedelta(seconds=1))
    assert [(one.job_id, one.state) for one in recover_all(any_database)] == [(job_id, "PENDING")]
    job = get(any_database, job_id)
    assert (job.state, job.attempt, job.lease_token, job.leased_by) == ("PENDING", 1, None, "w")
    assert timedelta(seconds=40) < job.available_at - clock.now() < timedelta(seconds=75)
    (told,) = job.error_context
    assert (told["attempt"], told["worker"], told["error_type"]) == (1, "w", "WorkerLost")
    assert job.last_error == told["message"]


def test_a_job_whose_attempts_are_spent_ends_as_a_dead_letter(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add(max_attempts=1, batch_id="b")
    take(any_database, lease_expires_at=clock.now() - timedelta(seconds=1))
    recover_all(any_database)
    job = get(any_database, job_id)
    assert (job.state, job.attempt, job.unique_key, len(job.error_context)) == ("FAILED", 1, None, 1)
    assert job.finished_at is not None


def test_a_job_that_runs_for_too_long_is_taken_from_a_living_worker(
    any_database: Database, add: Callable[..., str]
) -> None:
    job_id = add()
    take(any_database, started_at=clock.now() - STUCK - timedelta(seconds=1))
    assert [one.reason for one in recover_all(any_database)] == ["stuck"]
    assert get(any_database, job_id).error_context[0]["error_type"] == "Stuck"


def test_a_healthy_job_is_left_alone(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add()
    take(any_database)
    assert recover_all(any_database) == []
    with any_database.begin() as session:
        assert recover(session, job_id, stuck_after=STUCK, backoff=BACKOFF) is None


def test_workers_that_recover_at_the_same_time_spend_one_attempt(
    any_database: Database, add: Callable[..., str]
) -> None:
    for _ in range(10):
        add()
        take(any_database, lease_expires_at=clock.now() - timedelta(seconds=1))
    with ThreadPoolExecutor(4) as pool:
        done = [one for mine in pool.map(lambda _: recover_all(any_database), range(4)) for one in mine]
    assert len({one.job_id for one in done}) == len(done) == 10
    with any_database.read() as session:
        assert {len(job.error_context) for job in session.scalars(sa.select(Job))} == {1}


def test_only_jobs_that_ended_long_ago_are_forgotten_and_no_dead_letters(
    any_database: Database, add: Callable[..., str]
) -> None:
    kept = set()
    for state in ("SUCCESS", "DISCARDED", "FAILED", "PENDING", "RUNNING"):
        for days in (6, 8):
            job_id = add()
            values = {"state": state, "finished_at": clock.now() - timedelta(days=days)}
            with any_database.begin() as session:
                session.execute(sa.update(Job).where(Job.id == job_id).values(**values))
            if days == 6 or state not in ("SUCCESS", "DISCARDED"):
                kept.add(job_id)
    with any_database.begin() as session:
        assert prune(session, finished_before=clock.now() - timedelta(days=7)) == 2
    with any_database.read() as session:
        assert set(session.scalars(sa.select(Job.id))) == kept


def test_workers_that_went_silent_are_forgotten_and_may_come_back(any_database: Database) -> None:
    def say(worker: str) -> None:
        with any_database.begin() as session:
            beat(session, worker=worker, kinds=["insert"], concurrency=2, running=1)

    say("dead")
    say("alive")
    with any_database.begin() as session:
        long_ago = clock.now() - timedelta(hours=1)
        session.execute(sa.update(WorkerRow).where(WorkerRow.name == "dead").values(heartbeat_at=long_ago))
    say("alive")
    with any_database.begin() as session:
        assert prune_workers(session, silent_since=clock.now() - timedelta(minutes=3)) == 1
    say("dead")
    with any_database.read() as session:
        assert set(session.scalars(sa.select(WorkerRow.name))) == {"alive", "dead"}
