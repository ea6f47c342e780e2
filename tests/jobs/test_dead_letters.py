"""Dead letters end there, until a person says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Conflict, NotFound
from quadra.jobs.dead_letters import discard, requeue
from quadra.jobs.queue import enqueue, enqueue_for_batches, find_unfinished
from quadra.jobs.tables import Job
from tests.jobs.conftest import get

HISTORY = [{"attempt": 5, "message": "no"}]


@pytest.fixture
def dead(any_database: Database, add: Callable[..., str]) -> str:
    job_id = add(batch_id="b1")
    values = {"state": "FAILED", "attempt": 5, "unique_key": None, "finished_at": clock.now(), "error_context": HISTORY}
    with any_database.begin() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(**values))
    return job_id


def test_a_requeued_job_has_all_attempts_and_its_history(any_database: Database, dead: str) -> None:
    with any_database.begin() as session:
        job = requeue(session, dead)
        assert (job.state, job.attempt, job.trigger) == ("PENDING", 0, "MANUAL")
    job = get(any_database, dead)
    assert (job.unique_key, job.finished_at, job.error_context) == ("insert:b1", None, HISTORY)


def test_of_two_who_requeue_one_is_refused(any_database: Database, dead: str) -> None:
    def ask(_n: int) -> str:
        try:
            with any_database.begin() as session:
                return requeue(session, dead).state
        except Conflict as refused:
            return refused.message

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(ask, range(2)))
    assert answers == [f"Job {dead} is PENDING and cannot become PENDING.", "PENDING"]


def test_a_requeue_is_refused_while_one_like_it_is_unfinished(
    any_database: Database, dead: str, add: Callable[..., str]
) -> None:
    add(batch_id="b1")

    def ask() -> None:
        with any_database.begin() as session:
            requeue(session, dead)

    with pytest.raises(Conflict, match="unfinished"):
        ask()
    assert get(any_database, dead).state == "FAILED"


def test_a_discarded_job_stays_discarded(any_database: Database, dead: str) -> None:
    with any_database.begin() as session:
        assert discard(session, dead).state == "DISCARDED"
    for what in (requeue, discard):
        with pytest.raises(Conflict, match="is DISCARDED and cannot become"), any_database.begin() as session:
            what(session, dead)
    with pytest.raises(NotFound), any_database.begin() as session:
        discard(session, "nothing")


def test_one_unfinished_job_of_a_kind_for_a_batch(any_database: Database, dead: str) -> None:
    with any_database.begin() as session:
        assert find_unfinished(session, kinds=["insert"], batch_id="b1") is None
        again = enqueue(session, kind="insert", batch_id="b1", max_attempts=5)
        with pytest.raises(Conflict):
            enqueue(session, kind="insert", batch_id="b1", max_attempts=5)
        other = enqueue(session, kind="other", batch_id="b1", max_attempts=5)  # the transaction goes on
        enqueue_for_batches(session.connection(), [("b1", 1), ("b2", 1)], kinds={"insert": 3}, max_attempts=5)
    with any_database.read() as session:
        found = find_unfinished(session, kinds=["insert"], batch_id="b1")
        assert found is not None
        assert found.id == again.id
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 4
    assert get(any_database, other.id).unique_key == "other:b1"


def test_jobs_without_a_batch_may_be_unique_too(any_database: Database) -> None:
    with any_database.begin() as session:
        for _ in range(2):
            enqueue(session, kind="free", max_attempts=5)
        enqueue(session, kind="erase", unique_as="erase:ada", max_attempts=5)
        enqueue(session, kind="erase", unique_as="erase:bob", max_attempts=5)
        with pytest.raises(Conflict):
            enqueue(session, kind="erase", unique_as="erase:ada", max_attempts=5)
