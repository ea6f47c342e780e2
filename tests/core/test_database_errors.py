"""What an error of a database means to a sender: only what can never be stored is refused, and each state says what to do."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import exc

from quadra.core.database_errors import refuses_a_value, trouble, why


def of(kind: type[exc.DBAPIError], code: str | int | None, text: str = "said") -> Any:
    """As the drivers give it: psycopg by its SQLSTATE, PyMySQL by a number, sqlite3 by a number of its own."""
    if isinstance(code, str):
        original: Any = SimpleNamespace(sqlstate=code, args=(text,), __str__=lambda: text)
    else:
        original = Exception(*((code, text) if code is not None else (text,)))
    return kind("", {}, original)


def of_sqlite(code: int, text: str = "said") -> Any:
    original = sqlite3.OperationalError(text)
    original.sqlite_errorcode = code
    return exc.OperationalError("", {}, original)


STATES = {
    "read-only": ("25006", 1290, 1792, 1836),
    "full": ("53100", 1021, 1114),
    "damaged": ("XX001", "XX002", 1034, 1035, 1194),
    "no tables": ("42P01", "42703", "42501", "3F000", 1146),
    "does not answer": ("57P01", "08006", 2006, 2013, 1205, 1213, None),
}


@pytest.mark.parametrize(("said", "code"), [(said, code) for said, codes in STATES.items() for code in codes])
def test_each_state_of_a_server_is_told_by_name_and_refuses_no_value(said: str, code: str | int | None) -> None:
    error = of(exc.OperationalError, code)
    assert said in why(error)
    assert not refuses_a_value(error)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("read-only", sqlite3.SQLITE_READONLY),
        ("read-only", sqlite3.SQLITE_READONLY_DBMOVED),  # an extended code of it
        ("full", sqlite3.SQLITE_FULL),
        ("damaged", sqlite3.SQLITE_CORRUPT),
        ("damaged", sqlite3.SQLITE_NOTADB),
        ("does not answer", sqlite3.SQLITE_BUSY),
        ("fails, or is full", sqlite3.SQLITE_IOERR_WRITE),
    ],
)
def test_each_state_of_sqlite_is_told_by_name_and_refuses_no_value(said: str, code: int) -> None:
    assert said in why(of_sqlite(code))
    assert not refuses_a_value(of_sqlite(code))


@pytest.mark.parametrize("code", ["22001", "22P05", 1265])
def test_a_value_that_can_never_be_stored_is_refused(code: str | int) -> None:
    assert refuses_a_value(of(exc.DataError, code))


def test_without_a_code_only_what_the_driver_calls_a_wrong_value_is_one() -> None:
    assert refuses_a_value(of(exc.DataError, None))
    for kind in (exc.OperationalError, exc.InternalError, exc.IntegrityError, exc.ProgrammingError):
        assert not refuses_a_value(of(kind, None))


def test_a_person_at_a_terminal_is_told_of_states_and_not_of_mistakes() -> None:
    assert trouble(of_sqlite(sqlite3.SQLITE_FULL, "database or disk is full")) == (
        "The disk of the database is full. Make room; senders may try again. It said: database or disk is full"
    )
    assert trouble(of(exc.ProgrammingError, None)) is None
    assert trouble(ValueError("x")) is None
