"""What a worker may still write about a job, and what it may not after the job was taken away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.jobs import lease as leases
from quadra.jobs.claim import claim
from quadra.jobs.errors import HISTORY_MOST, FailedAttempt, LeaseLost
from quadra.jobs.lease import Lease
from quadra.jobs.recover import find_lost, recover
from quadra.jobs.tables import Job
from tests.jobs.conftest import count_effects, get
from tests.jobs.effects import effects

LENGTH = timedelta(seconds=60)
LATE = timedelta(minutes=15)


def take(database: Database) -> Lease:
    with database.begin() as session:
        (job,) = claim(session, worker="w", kinds=["insert"], limit=1, length=LENGTH)
    return Lease(job, LENGTH)


def let_expire(database: Database, lease: Lease) -> None:
    with database.begin() as session:
        session.execute(sa.update(Job).where(Job.id == lease.job.id).values(lease_expires_at=clock.now() - LENGTH))


def take_away(database: Database, lease: Lease) -> None:
    let_expire(database, lease)
    with database.begin() as session:
        assert recover(session, lease.job.id, stuck_after=LATE, backoff=timedelta()) is not None


def columns_of(database: Database, job_id: str) -> dict[str, Any]:
    job = get(database, job_id)
    return {column.key: getattr(job, column.key) for column in sa.inspect(Job).columns}


WRITES: dict[str, Callable[[Any, Lease], object]] = {
    "hold": lambda session, lease: lease.hold(session),
    "succeed": lambda session, lease: lease.succeed(session),
    "fail": lambda session, lease: leases.fail(session, lease.job, FailedAttempt(message="x"), retry_in=LENGTH),
    "die": lambda session, lease: leases.fail(session, lease.job, FailedAttempt(message="x"), retry_in=None),
    "postpone": lambda session, lease: leases.postpone(session, lease.job, retry_in=LENGTH, reason="x"),
    "release": lambda session, lease: leases.release(session, lease.job),
}


def test_nothing_is_written_about_a_job_that_another_worker_has(
    any_database: Database, add: Callable[..., str]
) -> None:
    job_id = add()
    lost = take(any_database)
    take_away(any_database, lost)
    take(any_database)
    before = columns_of(any_database, job_id)

    def write(name: str) -> None:
        with any_database.begin() as session:
            session.execute(sa.insert(effects).values(job_id=job_id, what="done"))
            WRITES[name](session, lost)

    for name in WRITES:
        with pytest.raises(LeaseLost):
            write(name)
        assert (columns_of(any_database, job_id), count_effects(any_database)) == (before, {}), name


def test_an_effect_and_the_success_of_its_job_commit_together(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add(batch_id="b1")
    lease = take(any_database)

    def do(fail: bool) -> None:
        with any_database.begin() as session:
            lease.succeed(session)
            session.execute(sa.insert(effects).values(job_id=job_id, what="done"))
            if fail:
                raise ValueError

    with pytest.raises(ValueError):
        do(fail=True)
    assert (get(any_database, job_id).state, count_effects(any_database), lease.succeeded) == ("RUNNING", {}, False)
    do(fail=False)
    job = get(any_database, job_id)
    assert (job.state, count_effects(any_database), lease.succeeded) == ("SUCCESS", {job_id: 1}, True)
    assert (job.unique_key, job.lease_token, job.lease_expires_at) == (None, None, None)


def test_nobody_takes_a_job_away_while_its_effect_is_being_written(
    any_database: Database, add: Callable[..., str]
) -> None:
    """The lease runs out between `succeed` and the commit: whoever recovers passes by, or waits and finds it done."""
    add()
    lease = take(any_database)
    let_expire(any_database, lease)
    inside, answered = Event(), Event()
    found: list[Any] = []

    def recover_meanwhile() -> None:
        inside.wait(90)
        with any_database.begin() as session:
            found.append(recover(session, lease.job.id, stuck_after=LATE, backoff=timedelta()))
        answered.set()

    thread = Thread(target=recover_meanwhile)
    thread.start()
    with any_database.begin() as session:
        lease.succeed(session)
        session.execute(sa.insert(effects).values(job_id=lease.job.id, what="done"))
        inside.set()
        answered.wait(0.5)
    thread.join(90)
    assert found == [None]
    assert get(any_database, lease.job.id).state == "SUCCESS"


def test_heartbeats_extend_what_is_held_and_name_what_is_lost(any_database: Database, add: Callable[..., str]) -> None:
    for _ in range(3):
        add()
    held, lost, busy = (take(any_database) for _ in range(3))
    let_expire(any_database, held)
    take_away(any_database, lost)
    if any_database.dialect == "sqlite":  # one writer at a time: nothing is ever found locked
        with any_database.begin() as session:
            assert leases.extend(session, [held, lost]) == [lost]
    else:
        with any_database.begin() as working:
            busy.hold(working)
            with any_database.begin() as session:
                assert leases.extend(session, [held, lost, busy]) == [lost]
    expires_at = get(any_database, held.job.id).lease_expires_at or clock.now()
    assert expires_at > clock.now() + timedelta(seconds=50)
    with any_database.read() as session:
        assert find_lost(session, stuck_after=LATE) == []


def test_a_given_back_job_keeps_its_attempt_and_a_failed_one_does_not(
    any_database: Database, add: Callable[..., str]
) -> None:
    job_id = add(batch_id="b")
    for name, attempt, state in (("release", 0, "PENDING"), ("postpone", 0, "PENDING"), ("die", 1, "FAILED")):
        lease = take(any_database)
        with any_database.begin() as session:
            WRITES[name](session, lease)
            session.execute(sa.update(Job).values(available_at=clock.now()))
        job = get(any_database, job_id)
        assert (job.attempt, job.state, job.unique_key) == (attempt, state, None if state == "FAILED" else "insert:b")
    assert (job.last_error, job.error_context) == ("x", [{"message": "x"}])


def test_a_heartbeat_that_comes_after_the_success_finds_nothing_lost(
    database: Database, add: Callable[..., str]
) -> None:
    add()
    lease = take(database)
    with database.begin() as session:
        lease.succeed(session)
    with database.begin() as session:
        assert leases.extend(session, [lease]) == []


@pytest.mark.parametrize("how", ["fail", "taken away"])
def test_of_a_history_the_newest_entries_are_kept(database: Database, add: Callable[..., str], how: str) -> None:
    """A job that is requeued for ever must not grow for ever."""
    job_id = add()
    older: list[dict[str, Any]] = [{"message": str(number)} for number in range(HISTORY_MOST)]
    with database.begin() as session:
        session.execute(sa.update(Job).values(error_context=older))
    lease = take(database)
    if how == "fail":
        with database.begin() as session:
            WRITES["fail"](session, lease)
    else:
        take_away(database, lease)
    kept = get(database, job_id).error_context
    assert (len(kept), kept[:-1]) == (HISTORY_MOST, older[1:])
    assert kept[-1]["message"] != older[-1]["message"]
