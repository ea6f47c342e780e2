"""What a database says that will not store: only a value that can never be stored is refused, all else is tried again.

SDKs drop an event that is answered 400. Real databases say each code here, by a trigger where they cannot be made to mean it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import sqlalchemy as sa

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.web.loop import Loop
from quadra.ingest import bulk
from quadra.ingest.log import Log
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Writer
from tests.clients import assert_counts_are_rows
from tests.ingest.conftest import Ticket, opened, row, wait_for

ON_POSTGRESQL = [
    "25006",  # read-only
    "53100",  # disk full
    "58030",  # disk error
    "XX001",  # damaged
    "XX000",
    "0A000",
    "23502",  # a column that is not filled: the table is not ours
    "23514",
    "40001",
    "42501",  # not granted
    "42703",  # a column that is missing
    "54001",
    "57014",
    "P0001",
]
ON_MARIADB = [1290, 1836, 1021, 1114, 1034, 1030, 1048, 1205, 1213, 1142, 1364, 1644, 4025]


def make_log(database: Database) -> Log:
    return Log(database, writer="w", batch_max_events=1_000, job_kinds={})


def test_only_the_event_the_database_can_never_hold_is_refused(
    loop: Loop, make_writer: Callable[..., Writer], any_database: Database
) -> None:
    """A flush is halved until the event is found: on MariaDB one statement carries all rows, on the others one parameter."""
    long = msgspec.Raw(msgspec.json.encode({"text": "x" * 30_000}))
    bad_row = row("bad", properties=long) if any_database.dialect == "sqlite" else row("bad", name="x" * 1_000)
    if any_database.dialect == "sqlite":  # which bounds no column, but any value
        limit = lambda connection, _record: connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 20_000)  # noqa: E731
        sa.event.listen(any_database.engine, "connect", limit)
        any_database.dispose()
    writer = make_writer(make_log(any_database))
    tickets = [Ticket(f"good-{n}") for n in range(10)]
    bad = Ticket(rows=[bad_row, row("beside it")])
    for ticket in [*tickets[:5], bad, *tickets[5:]]:
        writer.submit(ticket)
    wait_for(loop, lambda: bad.answers and all(ticket.answers for ticket in tickets))
    assert all(ticket.stored == [True] for ticket in tickets)
    refused, beside = cast(tuple[Any, Any], bad.answers[0])
    assert type(refused) is Refused
    assert (refused.code, refused.event_id) == ("invalid", "bad")
    assert beside[1] is False
    assert assert_counts_are_rows(any_database) == 11
    outcomes = bulk.append(make_log(any_database), [row("more"), bad_row])
    assert [type(one) is Refused for one in outcomes] == [False, True]


def test_a_table_that_is_missing_for_a_while_refuses_no_event(
    loop: Loop, make_writer: Callable[..., Writer], any_database: Database
) -> None:
    """A database whose file was lost, or that is being restored: senders are told to try again."""
    rename(any_database, "event", "elsewhere")
    refuses_nothing(loop, make_writer, any_database)
    with pytest.raises(Unavailable, match="quadra init"), any_database.read() as session:
        session.execute(sa.text("SELECT * FROM event"))
    rename(any_database, "elsewhere", "event")
    stores(loop, make_writer, any_database)


@pytest.mark.parametrize("server_database", ["postgres"], indirect=True)
def test_no_state_of_postgresql_refuses_an_event(
    loop: Loop, make_writer: Callable[..., Writer], server_database: Database
) -> None:
    for code in ON_POSTGRESQL:
        run(
            server_database,
            f"CREATE OR REPLACE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE EXCEPTION 'said' USING ERRCODE = '{code}'; END$$",
            "CREATE OR REPLACE TRIGGER said BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION say()",
        )
        refuses_nothing(loop, make_writer, server_database)
    run(server_database, "DROP TRIGGER said ON event")
    stores(loop, make_writer, server_database)


@pytest.mark.parametrize("server_database", ["mariadb"], indirect=True)
def test_no_state_of_mariadb_refuses_an_event(
    loop: Loop, make_writer: Callable[..., Writer], server_database: Database
) -> None:
    for code in ON_MARIADB:
        run(
            server_database,
            "DROP TRIGGER IF EXISTS said",
            "CREATE TRIGGER said BEFORE INSERT ON event FOR EACH ROW SIGNAL SQLSTATE 'HY000' "
            f"SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'said'",
        )
        refuses_nothing(loop, make_writer, server_database)
    run(server_database, "DROP TRIGGER said")
    stores(loop, make_writer, server_database)


def test_no_state_of_sqlite_refuses_an_event(loop: Loop, make_writer: Callable[..., Writer], tmp_path: Path) -> None:
    path = tmp_path / "quadra.db"
    with opened(f"sqlite:///{path}") as database:
        run(database, "CREATE TRIGGER said BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'said'); END")
        refuses_nothing(loop, make_writer, database)
        run(database, "DROP TRIGGER said")
        sa.event.listen(database.engine, "connect", read_only)
        database.dispose()
        refuses_nothing(loop, make_writer, database, "read-only")
        sa.event.remove(database.engine, "connect", read_only)
        database.dispose()
        stores(loop, make_writer, database)
        database.dispose()  # with it everything is in the one file
        with path.open("r+b") as file:
            file.truncate(8192)
        refuses_nothing(loop, make_writer, database, "damaged")
        with pytest.raises(Unavailable, match="damaged"), database.read() as session:
            session.execute(sa.text("SELECT count(*) FROM event"))


def read_only(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def refuses_nothing(
    loop: Loop, make_writer: Callable[..., Writer], database: Database, what: str = "Nothing was stored"
) -> None:
    ticket = Ticket("e", "f")
    make_writer(make_log(database)).submit(ticket)
    wait_for(loop, lambda: ticket.answers)
    (answer,) = ticket.answers
    assert isinstance(answer, Unavailable), answer
    assert answer.status == 503
    assert answer.retry_after_seconds >= 1
    assert what in answer.message


def stores(loop: Loop, make_writer: Callable[..., Writer], database: Database) -> None:
    """The same events, once the database is mended."""
    ticket = Ticket("e", "f")
    make_writer(make_log(database)).submit(ticket)
    wait_for(loop, lambda: ticket.answers)
    assert ticket.stored == [True, True]


def run(database: Database, *statements: str) -> None:
    with database.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rename(database: Database, old: str, new: str) -> None:
    run(database, f"ALTER TABLE {old} RENAME TO {new}")
