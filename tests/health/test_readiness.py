"""Readiness: it proves that the database takes events, and does not wear it out."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from quadra.core.database import Database
from quadra.health import readiness
from quadra.health.readiness import Readiness
from quadra.ingest.log import Log
from tests.ingest.conftest import opened, row
from tests.servers.schema import bring_up


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url)
    bring_up(database)
    yield database
    database.dispose()


@pytest.fixture
def writes(database: Database) -> list[str]:
    """The statements that wrote."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "DELETE")):
            found.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    return found


def test_a_write_is_proven_once_in_a_while_and_leaves_nothing(
    database: Database, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Readiness(database)
    for _ in range(5):
        asked.ask()
    assert [statement.split()[0] for statement in writes] == ["INSERT", "DELETE"]
    monkeypatch.setattr(readiness, "PROVEN_SECONDS", 0.0)
    asked.ask()
    assert len(writes) == 4
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM health_mark").scalar_one() == 0


def test_a_database_that_reads_and_does_not_write_is_not_ready_and_is_again_once_it_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PROVEN_SECONDS", 0.0)
    asked = Readiness(database)
    asked.ask()
    _allow(database, "ALTER TABLE health_mark RENAME TO elsewhere")
    with pytest.raises(DBAPIError):
        asked.ask()
    database.ping()
    _allow(database, "ALTER TABLE elsewhere RENAME TO health_mark")
    asked.ask()


def test_a_refused_proof_is_kept_for_a_while_too(database: Database, writes: list[str]) -> None:
    asked = Readiness(database)
    _allow(database, "ALTER TABLE health_mark RENAME TO elsewhere")
    for _ in range(3):
        with pytest.raises(DBAPIError):
            asked.ask()
    assert len(writes) == 1


def test_events_that_were_stored_lately_prove_it_as_well(database: Database, writes: list[str]) -> None:
    database.wrote_at = readiness.time.monotonic()
    Readiness(database).ask()
    assert writes == []


def test_events_that_were_refused_lately_prove_the_contrary_until_some_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the small row of the proof may still find room where events do not."""
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        log, asked = Log(database, writer="w", batch_max_events=100), Readiness(database)
        _allow(database, "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(DBAPIError):
            log.append([row("first")])
        readiness.write_mark(database)
        for _ in range(2):
            with pytest.raises(DBAPIError, match="full"):
                asked.ask()
        _allow(database, "DROP TRIGGER full")
        log.append([row("first")])
        asked.ask()
        database.refused(OperationalError("", {}, Exception("full")))
        monkeypatch.setattr(readiness, "PROVEN_SECONDS", 0.0)
        with pytest.raises(DBAPIError):
            asked.ask()
        monkeypatch.setattr("quadra.core.database.REFUSED_SECONDS", 0.0)
        asked.ask()  # nobody sends here while it is not ready, so that events alone may not show that it is again


def test_a_value_that_is_refused_says_nothing_about_the_database(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        bound = lambda connection, _record: connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 20_000)  # noqa: E731
        sa.event.listen(database.engine, "connect", bound)
        database.dispose()
        with pytest.raises(DBAPIError):
            Log(database, writer="w", batch_max_events=100).append([row("long", name="x" * 30_000)])
        Readiness(database).ask()


def test_the_reason_is_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asked = Readiness(Database(f"sqlite:///{tmp_path / 'quadra.db'}"))
    for error in (OperationalError("", {}, Exception("disk full")), None, TimeoutError(), TimeoutError(), None, None):
        asked.note(error)
    told = [(record.message, getattr(record, "reason", "")) for record in caplog.records]
    assert told == [
        ("health.readiness.lost", "disk full"),
        ("health.readiness.regained", ""),
        ("health.readiness.lost", "TimeoutError"),
        ("health.readiness.regained", ""),
    ]


def test_a_connection_to_what_became_read_only_is_not_kept(
    server_url: str, read_only: Callable[[str, bool], None]
) -> None:
    """After a failover the connections of the pool lead to what is a replica now."""
    database = Database(server_url)
    bring_up(database)
    readiness.write_mark(database)
    read_only(server_url, True)
    database.dispose()
    with pytest.raises(DBAPIError):
        readiness.write_mark(database)
    read_only(server_url, False)
    readiness.write_mark(database)
    database.dispose()


def _allow(database: Database, statement: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture
def server_url(postgres: Any) -> Iterator[str]:
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture
def read_only() -> Callable[[str, bool], None]:
    """Only new connections to the database are; those of the pool stay as they were made."""

    def turn(url: str, on: bool) -> None:
        name = sa.make_url(url).database
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            said = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
            connection.exec_driver_sql(f"ALTER DATABASE {name} {said}")
        engine.dispose()

    return turn
