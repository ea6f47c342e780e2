"""What an error of a database means: is it away, does it refuse this value for good, and what is said of it.

Senders drop an event that is answered 400. So only what is known to be a value's fault counts as one, and everything else,
known or not, is a state of the database that somebody mends.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import exc

MISSING = {"42P01", "42703", "3F000", "42501", 1146}
"""Tables, columns, schemas that are not there, or not ours to touch: no mistake of a statement, since ours are known to be
right. They are there once the database is restored, migrated, or granted."""
READ_ONLY = {"25006", sqlite3.SQLITE_READONLY, 1290, 1792, 1836}
FULL = {"53100", sqlite3.SQLITE_FULL, 1021, 1114}
FAILING = {"58030", sqlite3.SQLITE_IOERR}
"""A full disk too: SQLite has no other code where it cannot make its index file."""
DAMAGED = {"XX001", "XX002", sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, 1034, 1035, 1194, 1877, 1932}

VALUES = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, 1265}
"""Beside SQLSTATE class 22: SQLite has no SQLSTATE, and MariaDB calls a value that it has to cut a warning (01000)."""

NO_TABLES = "The database has no tables of Quadra. Next: quadra init, or quadra recover where there were some."
TEXTS = (
    (READ_ONLY, "The database is read-only at present: it takes nothing. Make it writable; senders may try again."),
    (FULL, "The disk of the database is full. Make room; senders may try again."),
    (FAILING, "The disk of the database fails, or is full. Make room, and look at the disk; senders may try again."),
    (DAMAGED, "The database is damaged. Next: stop Quadra, then quadra recover."),
    (MISSING, NO_TABLES),
)


class FileGone(sqlite3.OperationalError):
    """The open file of the database is not the one at its path any more."""


class DiskFailed(sqlite3.OperationalError):
    """The disk of the file failed while something was written."""

    sqlite_errorcode = sqlite3.SQLITE_IOERR

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the disk failed while this was written: {error.strerror}")


def refuses_a_value(error: exc.DBAPIError) -> bool:
    """Whether a value of this statement can never be stored, in whatever state the database is."""
    codes = codes_of(error)
    if not codes:  # psycopg refuses some values before it sends anything
        return isinstance(error, exc.DataError)
    return bool(codes & VALUES) or any(isinstance(code, str) and code.startswith("22") for code in codes)


def is_away(error: exc.DBAPIError) -> bool:
    """Whether the same call may work later: no connection, a lock, a full or read-only server, a damaged or missing table;
    not a wrong statement, and not a value or a key that is refused."""
    if error.connection_invalidated or codes_of(error) & MISSING:
        return True
    return not isinstance(error, exc.DataError | exc.IntegrityError | exc.ProgrammingError | exc.NotSupportedError)


def why(error: exc.DBAPIError) -> str:
    """One sentence for whoever asked, and what to do where that is known. Without paths: strangers read it too."""
    text = str(error.orig)
    if isinstance(error.orig, FileGone):
        return "The file of the database was removed or replaced while Quadra runs. Put it back, or restart Quadra."
    if text.startswith("no such table"):  # SQLite has no code of its own for that
        return NO_TABLES
    if text.startswith("unable to open database file"):
        return (
            "The file of the database cannot be opened. Is QUADRA_DATA_DIR right, and writable for Quadra? "
            "A new installation: quadra init"
        )
    codes = codes_of(error)
    return next((said for known, said in TEXTS if codes & known), "The database does not answer; try again.")


def codes_of(error: exc.DBAPIError) -> set[str | int]:
    """SQLSTATE, SQLite's primary code, MariaDB's number: whatever the driver gave."""
    given: Any = error.orig
    if isinstance(given, sqlite3.Error):
        number, state = getattr(given, "sqlite_errorcode", None), None
        number = number and number & 0xFF
    else:
        number = given.args[0] if given is not None and given.args else None
        state = getattr(given, "sqlstate", None)
    return {code for code in (number if isinstance(number, int) else None, state) if code}


def trouble(error: BaseException | None) -> str | None:
    """What a person at a terminal is told of an error; None where it is none of a database that is away."""
    if not isinstance(error, exc.DBAPIError) or not is_away(error):
        return None
    return f"{why(error)} It said: {str(error.orig).strip().splitlines()[0]}"
