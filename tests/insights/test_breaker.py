"""The circuit breaker, shared by real processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.insights import breaker
from quadra.insights.breaker_storage import DatabaseStorage
from quadra.insights.tables import Breaker
from quadra.jobs.errors import Permanent, Transient
from tests.servers.commands import start_module

GUARD = breaker.Guard("llm", failures=5, cooldown=timedelta(minutes=10), trial_length=timedelta(minutes=10))


class Caller:
    """A process of `breaker_process`."""

    def __init__(self, directory: Path, url: str, what: str, failures: int = 5, cooldown: float = 600):
        asked, said = directory / "asked", directory / "said"
        os.mkfifo(asked)
        os.mkfifo(said)
        options = (what, str(failures), str(cooldown), str(asked), str(said))
        log = directory / "log"
        module = "tests.insights.breaker_process"
        self._process = start_module(module, url, *options, env=os.environ, out=log, err=log)
        self._asked, self._said = asked.open("w", buffering=1), said.open()
        assert self.read() == "ready"

    def ask(self) -> None:
        self._asked.write("call\n")

    def read(self) -> str:
        return self._said.readline().strip()

    def call(self) -> str:
        self.ask()
        return self.read()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        self.kill()
        self._asked.close()
        self._said.close()


@contextmanager
def callers(database: Database, directories: pytest.TempPathFactory) -> Iterator[Callable[..., Caller]]:
    url = database.url.render_as_string(hide_password=False)
    with ExitStack() as stack:

        def started(what: str, **options: Any) -> Caller:
            made = Caller(directories.mktemp("caller"), url, what, **options)
            stack.callback(made.close)
            return made

        yield started


@pytest.fixture
def start(any_runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Caller]]:
    with callers(any_runtime.database, tmp_path_factory) as started:
        yield started


def row(database: Database) -> Breaker:
    with database.read() as session:
        return session.get_one(Breaker, "llm")


def call(database: Database, function: Callable[[], Any], guard: breaker.Guard = GUARD) -> Any:
    return breaker.call(database, guard, function, counts=lambda error: isinstance(error, Transient))


def fail() -> None:
    raise Transient("away")


def end_cooldown(database: Database) -> None:
    with database.begin() as session:
        session.execute(sa.update(Breaker).values(opened_at=row(database).opened_at - timedelta(hours=1)))


def test_five_failures_in_one_process_are_seen_open_by_another_and_then_one_of_three_tries(
    any_runtime: Runtime, start: Callable[..., Caller]
) -> None:
    database = any_runtime.database
    failing, other = start("fail"), start("work")
    assert [failing.call() for _ in range(4)] == ["failed"] * 4
    assert row(database).state == "CLOSED"
    assert failing.call() == "failed"
    opened = row(database)
    assert (opened.state, opened.failure_count) == ("OPEN", 5)
    assert other.call().startswith("refused "), "the other process sees it"
    assert int(other.call().split()[1]) > 590, "and is told when to come back"
    assert failing.call().startswith("refused ")
    assert row(database).failure_count == 5, "what was refused is no failure"

    end_cooldown(database)
    three = [start("wait") for _ in range(3)]
    for caller in three:
        caller.ask()
    said = {caller.read().split()[0]: caller for caller in three}
    assert set(said) == {"inside", "refused"}
    assert row(database).state == "HALF_OPEN"
    assert other.call().startswith("refused "), "a fourth has to wait as well"
    said["inside"].ask()
    assert said["inside"].read() == "worked"
    assert row(database).state == "CLOSED"
    assert other.call() == "worked"
    assert row(database).failure_count == 0


def test_exactly_one_of_many_threads_takes_the_trial(any_runtime: Runtime) -> None:
    database = any_runtime.database
    for _ in range(5):
        with pytest.raises(Transient):
            call(database, fail)
    for _round in range(3):
        end_cooldown(database)
        inside: list[int] = []
        outcomes: list[str] = []
        barrier = threading.Barrier(6)

        def trial(inside: list[int] = inside) -> None:
            inside.append(1)
            time.sleep(0.3)
            raise Transient("still away")

        def one(
            barrier: threading.Barrier = barrier,
            outcomes: list[str] = outcomes,
            trial: Callable[[], None] = trial,
        ) -> None:
            barrier.wait()
            try:
                call(database, trial)
            except Transient:
                outcomes.append("failed")
            except Unavailable:
                outcomes.append("refused")

        threads = [threading.Thread(target=one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(inside) == 1
        assert sorted(outcomes) == ["failed"] + ["refused"] * 5
        assert row(database).state == "OPEN"


def test_a_trial_that_failed_opens_it_for_another_cooldown(runtime: Runtime) -> None:
    database = runtime.database
    for _ in range(5):
        with pytest.raises(Transient):
            call(database, fail)
    end_cooldown(database)
    with pytest.raises(Transient):
        call(database, fail)
    with pytest.raises(Unavailable) as refused:
        call(database, fail)
    assert refused.value.retry_after_seconds > 590


def test_a_process_that_dies_with_the_trial_holds_it_no_longer_than_its_lease(
    runtime: Runtime, start_on: Callable[..., Caller]
) -> None:
    database = runtime.database
    for _ in range(5):
        with pytest.raises(Transient):
            call(database, fail)
    end_cooldown(database)
    dying = start_on("wait")
    dying.ask()
    assert dying.read() == "inside"
    dying.kill()
    with pytest.raises(Unavailable):
        call(database, lambda: "worked")
    with database.begin() as session:
        session.execute(sa.update(Breaker).values(trial_expires_at=clock.now() - timedelta(seconds=1)))
    assert call(database, lambda: "worked") == "worked"
    assert row(database).state == "CLOSED"


@pytest.fixture
def start_on(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Caller]]:
    with callers(runtime.database, tmp_path_factory) as started:
        yield started


def test_an_outcome_from_before_the_breaker_opened_counts_no_more(runtime: Runtime) -> None:
    database = runtime.database
    call(database, lambda: None)

    def open_meanwhile() -> None:
        for _ in range(5):
            with pytest.raises(Transient):
                call(database, fail)
        end_cooldown(database)
        assert DatabaseStorage(database, "llm").state == "open"
        raise Transient("late")

    with pytest.raises(Transient, match="late"):
        call(database, open_meanwhile)
    found = row(database)
    assert (found.state, found.failure_count) == ("OPEN", 5), "neither counted nor opened anew"
    assert call(database, lambda: "worked") == "worked"


def test_a_success_in_between_begins_the_count_anew_and_other_errors_do_not_count(runtime: Runtime) -> None:
    database = runtime.database

    def refuse() -> None:
        raise Permanent("no")

    for _ in range(4):
        with pytest.raises(Transient):
            call(database, fail)
    call(database, lambda: None)
    for _ in range(4):
        with pytest.raises(Transient):
            call(database, fail)
    with pytest.raises(Permanent):
        call(database, refuse)
    assert (row(database).state, row(database).failure_count) == ("CLOSED", 0)


def test_two_processes_that_make_the_row_at_once_have_one(any_runtime: Runtime) -> None:
    barrier = threading.Barrier(4)

    def one() -> None:
        barrier.wait()
        call(any_runtime.database, lambda: None)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_runtime.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Breaker)) == 1
