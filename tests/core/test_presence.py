"""Which web processes may run side by side: rows of the living, the dead, and those of whom one cannot know."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from quadra.core import clock, presence
from quadra.core.database import Database
from quadra.core.errors import Misconfigured
from quadra.core.presence import Presence, WebProcess, place
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from tests.servers.schema import bring_up
from tests.waiting import eventually


@contextmanager
def migrated(url: str) -> Iterator[Database]:
    database = Database(url)
    bring_up(database)
    yield database
    database.dispose()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with migrated(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        yield database


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    with migrated(any_database_url) as database:
        yield database


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(presence, "WATCH_SECONDS", 1.0)
    monkeypatch.setattr(presence.time, "sleep", lambda _seconds: threading.Event().wait(0.1))


def runtime_of(database: Database, *, redis: bool = False) -> Runtime:
    return Runtime(Settings(database_url="sqlite://", redis_url="redis://127.0.0.1:1/0" if redis else ""), database)


def new(database: Database, *, redis: bool = False, master_pid: int = 0) -> Presence:
    return Presence(runtime_of(database, redis=redis), master_pid=master_pid)


def put(database: Database, **fields: Any) -> None:
    own = psutil.Process()
    row = {
        "name": "other",
        "place": "elsewhere",
        "pid": own.pid,
        "born": int(own.create_time() * 1e6),
        "joined": False,
        **fields,
    }
    with database.begin() as session:
        session.add(WebProcess(**row))


def names(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(sa.select(WebProcess.name)))


def test_the_first_one_enters_and_the_second_one_is_told_what_to_set(database: Database) -> None:
    new(database).enter()
    (first,) = names(database)
    with pytest.raises(Misconfigured) as caught:
        new(database).enter()
    assert first in caught.value.message
    assert "REDIS_URL" in caught.value.message
    assert names(database) == [first]


def test_of_several_that_start_at_once_one_enters(any_database: Database) -> None:
    entered: list[bool] = []

    def enter() -> None:
        try:
            new(any_database).enter()
            entered.append(True)
        except Misconfigured:
            entered.append(False)

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entered) == [False] * 4 + [True]


def test_a_process_of_this_machine_that_died_keeps_nobody_out(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    put(database, place=place(), born=1)  # its id belongs to another process now
    put(database, name="gone", place=place(), pid=2**22 + 1)
    new(database).enter()
    assert len(names(database)) == 1
    assert "web.start.waited" not in caplog.text


def test_a_row_of_another_machine_that_stands_still_keeps_nobody_out_for_long(database: Database) -> None:
    put(database)
    new(database).enter()
    assert "other" not in names(database)


def test_a_row_of_another_machine_that_moves_keeps_one_without_redis_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "WATCH_SECONDS", 60)  # which end when it moves
    put(database)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.2):
            with database.begin() as session:
                session.execute(sa.update(WebProcess).values(heartbeat_at=clock.now()))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(Misconfigured, match="other"):
            new(database).enter()
    finally:
        stop.set()
        thread.join()


def test_an_old_row_of_another_machine_is_not_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    put(database, heartbeat_at=clock.now() - timedelta(hours=2))
    monkeypatch.setattr(presence, "WATCH_SECONDS", 3600)
    new(database).enter()
    assert "other" not in names(database)


def test_the_worker_that_gunicorn_replaces_keeps_nobody_out(database: Database) -> None:
    put(database, place=place(), master_pid=77)
    new(database, master_pid=77).enter()
    with pytest.raises(Misconfigured):
        new(database, master_pid=78).enter()


def test_with_redis_any_number_enters(database: Database) -> None:
    put(database, place=place())
    new(database, redis=True).enter()


@pytest.mark.parametrize("redis", [True, False])
def test_a_database_of_an_older_version_is_named_and_one_of_a_newer_version_is_served(
    database: Database, redis: bool
) -> None:
    with database.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    new(database, redis=redis).enter()
    for older in ("0003", "base"):
        with database.begin() as session:
            session.execute(sa.text("UPDATE alembic_version SET version_num = '0003'"))
            if older == "base":
                session.execute(sa.text("DELETE FROM alembic_version"))
        with pytest.raises(Misconfigured, match="quadra init"):
            new(database, redis=redis).enter()


def test_with_redis_a_web_process_starts_while_the_database_is_away() -> None:
    new(Database("postgresql+psycopg://u@127.0.0.1:1/x"), redis=True).enter()


def test_a_row_moves_while_its_process_runs_and_goes_with_it(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "UNHEARD_SECONDS", 0.5)
    processes = [runtime_of(database, redis=True) for _ in range(2)]
    for process in processes:
        Presence(process).attach()
        for start in process.on_start:
            start()
    eventually(lambda: len(names(database)) == 2)
    with database.read() as session:
        assert len(presence.alive(session)) == 2
        before = {row.name: row.heartbeat_at for row in presence.alive(session)}
    put(database, name="without", place=place())
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.2):
            with database.begin() as session:
                session.execute(
                    sa.update(WebProcess).where(WebProcess.name == "without").values(heartbeat_at=clock.now())
                )

    thread = threading.Thread(target=beat)
    thread.start()
    eventually(lambda: "web.process.unheard" in caplog.text)
    stop.set()
    thread.join()

    def all_moved() -> bool:
        with database.read() as session:
            return all(row.heartbeat_at > before[row.name] for row in presence.alive(session) if row.name in before)

    eventually(all_moved)
    for process in processes:
        for end in process.on_stop:
            end()
    assert names(database) == ["without"]
