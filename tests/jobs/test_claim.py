"""Claiming, on each database with its own SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.jobs.claim import Wanted, _first_due, _taken_on_sqlite, claim, seconds_until_due
from quadra.jobs.lease import Claimed
from quadra.jobs.tables import Job
from tests.jobs.conftest import get, opened

LENGTH = timedelta(seconds=60)
THREADS = 8
KINDS = frozenset({"insert", "other"})


def take(
    database: Database, limit: int = 10, *, worker: str = "w", kinds: tuple[str, ...] = ("insert",)
) -> list[Claimed]:
    with database.begin() as session:
        return claim(session, worker=worker, kinds=kinds, limit=limit, length=LENGTH)


def change(database: Database, job_id: str, **values: Any) -> None:
    with database.begin() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(**values))


def test_eight_threads_never_claim_a_job_twice(any_database: Database, add: Callable[..., str]) -> None:
    jobs = [add(priority=n % 3) for n in range(160)]
    ready = Barrier(THREADS)

    def claim_until_empty(n: int) -> list[str]:
        ready.wait()
        mine: list[str] = []
        misses = 0
        while misses < 5:  # on PostgreSQL and MariaDB a look may find only rows that others have locked
            found = take(any_database, 3, worker=f"w{n}")
            mine += [job.id for job in found]
            misses = 0 if found else misses + 1
        return mine

    with ThreadPoolExecutor(THREADS) as pool:
        claimed = Counter(job_id for mine in pool.map(claim_until_empty, range(THREADS)) for job_id in mine)
    assert claimed == dict.fromkeys(jobs, 1)
    assert {get(any_database, job_id).attempt for job_id in jobs} == {1}


def test_a_locked_job_is_skipped_and_the_next_one_taken(any_database: Database, add: Callable[..., str]) -> None:
    """On SQLite nobody can look while another claims, so there is nothing to skip."""
    first, second = add(), add()
    if any_database.dialect == "sqlite":
        assert [take(any_database, 1)[0].id, take(any_database, 1)[0].id] == [first, second]
        return
    with any_database.begin() as session:
        assert [job.id for job in claim(session, worker="a", kinds=["insert"], limit=1, length=LENGTH)] == [first]
        assert [job.id for job in take(any_database, 1)] == [second]


def test_claiming_takes_the_attempt_and_a_lease_of_its_own(any_database: Database, add: Callable[..., str]) -> None:
    job_id = add(args={"n": 1, "text": "ü"}, project_id=7, batch_id="b1")
    (job,) = take(any_database, worker="me")
    row = get(any_database, job_id)
    assert (row.state, row.attempt, row.lease_token, row.leased_by) == ("RUNNING", 1, job.token, "me")
    assert (row.lease_expires_at, row.started_at) == (job.started_at + LENGTH, job.started_at)
    assert (job.id, job.args, job.project_id, job.batch_id) == (job_id, {"n": 1, "text": "ü"}, 7, "b1")
    assert (job.attempt, job.error_context) == (1, [])
    assert take(any_database) == []


def test_the_smaller_priority_comes_first_then_the_longer_wait(any_database: Database, add: Callable[..., str]) -> None:
    late, early, urgent, not_yet = add(priority=1), add(priority=1), add(priority=-5), add(priority=-9)
    change(any_database, early, available_at=clock.now() - timedelta(hours=1))
    change(any_database, not_yet, available_at=clock.now() + timedelta(hours=1))
    assert [job.id for job in take(any_database, 2)] == [urgent, early]
    assert [job.id for job in take(any_database)] == [late]


def test_of_several_kinds_the_first_ones_of_all_are_taken_and_the_others_stay(
    any_database: Database, add: Callable[..., str]
) -> None:
    """Each kind is looked at apart."""
    late = add("one", priority=9)
    jobs = [add(kind, priority=priority) for priority in range(3) for kind in ("one", "two", "three")]
    kinds = ("one", "two", "three")
    assert [job.id for job in take(any_database, 4, kinds=kinds)] == jobs[:4]
    assert [job.id for job in take(any_database, 9, kinds=("one", "three"))] == [
        *(job for job in jobs[4:] if get(any_database, job).kind != "two"),
        late,
    ]
    assert [job.id for job in take(any_database, 9, kinds=kinds)] == [
        job for job in jobs[4:] if get(any_database, job).kind == "two"
    ]
    assert take(any_database, kinds=()) == []


def test_a_claim_reads_no_more_of_a_kind_than_it_takes(tmp_path: Path) -> None:
    """By the plans of SQLite, which has no figures about its tables: everything that waits may be of a paused kind."""
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database, database.read() as session:
        looked = _first_due(KINDS, database.engine.dialect)
        plans = [
            [
                step
                for *_, step in session.connection().exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {text}", (0,) * text.count("?")
                )
            ]
            for text in (str(_taken_on_sqlite(Wanted(KINDS, fresh=False)).compile(database.engine)), looked)
        ]
    claims, looks = ([step for step in plan if " job " in step] for plan in plans)
    assert claims[0] == "SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id=?)"
    assert set(claims[1:]) == {"SEARCH job USING COVERING INDEX ix_job_claim (state=? AND kind=?)"}
    assert set(looks) == {"SEARCH job USING COVERING INDEX ix_job_kind (state=? AND kind=?)"}
    assert "min(" not in looked  # whose plan reads the same, and which goes through all entries
    assert not any("ORDER BY" in step for step in plans[0][1 : plans[0].index("SCAN anon_1")])


def test_only_kinds_with_a_handler_are_claimed(any_database: Database, add: Callable[..., str]) -> None:
    add("unknown", priority=-1)
    known = add()
    assert [job.id for job in take(any_database, 1)] == [known]


def test_an_idle_worker_is_told_when_the_next_job_is_due(any_database: Database, add: Callable[..., str]) -> None:
    def ask() -> float | None:
        with any_database.read() as session:
            return seconds_until_due(session, kinds=["insert"]).get("insert")

    add("unknown")
    assert ask() is None
    job_id = add()
    assert ask() == 0
    change(any_database, job_id, available_at=clock.now() + timedelta(seconds=100))
    assert 95 < (ask() or 0) <= 100
