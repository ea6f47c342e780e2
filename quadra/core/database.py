"""The database: one engine per process, sessions that an edge opens, and the column types all tables share.

Everything here blocks and therefore runs on native threads, never on the event loop (see `core.loop`).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from quadra.core import clock
from quadra.core.database_errors import READ_ONLY, codes_of, is_away, why
from quadra.core.errors import Unavailable
from quadra.core.observing.database_metrics import measure
from quadra.core.sqlite_file import SqliteFile

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMES)


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, kept as microseconds since 1970 in a BIGINT: exact and ordered the same in every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else clock.to_us(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else clock.from_us(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value in the database's plain JSON type: PostgreSQL's `json`, which keeps the text and costs less than `jsonb`."""

    impl = sa.JSON
    cache_ok = True


Text = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")
"""Unbounded text in every database (MySQL's TEXT ends at 64 kB)."""


class Name(sa.String):
    """A string that compares byte for byte in every database. MySQL's default collation takes `A` for `a`, and its usual
    binary one `a ` for `a`."""


@compiles(Name, "mysql", "mariadb")
def _name_on_mysql(type_: Name, compiler: Any, **_options: Any) -> str:
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    return f"VARCHAR({type_.length}) CHARACTER SET utf8mb4 COLLATE {collation}"


def name_column(length: int) -> sa.String:
    return Name(length)


WRITES = {"quadra_begin": "BEGIN IMMEDIATE"}
WRITES_FIRST = WRITES | {"quadra_first": True}
POOL_OVERFLOW = 10
"""Connections beyond the pool's size. SQLAlchemy's default too, which SQLite's engine has."""
LOCK_SECONDS = 10.0
"""How long a writer waits for SQLite's one write lock."""
ASK_SECONDS = 0.001
"""Between two looks at the write lock of those who write first."""
REFUSED_SECONDS = 15.0
"""How long one refusal counts: then somebody must try again, and balancers send nobody while it counts."""
WAKEUPS = "quadra.wakeups"
"""The key of a session's `info` under which it carries the wakeups of its database."""


class Wakeup(Protocol):
    """What somebody waits for, such as an event of `threading`."""

    def set(self) -> None: ...


class Database:
    """One engine and its sessions."""

    def __init__(self, url: str, *, pool_size: int = 10, newer_schema: str = ""):
        self.url = sa.make_url(url)
        self.newer_schema = newer_schema
        """A revision that this version does not know and may run over all the same."""
        self.engine = _engine(self.url, pool_size)
        self._file = _watched(self.engine)
        measure(self.engine, Base.metadata)
        self.wakeups: set[Wakeup] = set()
        """Set when work for this process's workers was committed (`jobs/wake.py`)."""
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info={WAKEUPS: self.wakeups})
        self.wrote_at = float("-inf")
        """By the monotonic clock, when this process last committed new events."""
        self._refused: tuple[float, DBAPIError] | None = None

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql` or `mysql` (MariaDB too)."""
        name = self.engine.dialect.name
        return "mysql" if name == "mariadb" else name

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back on an error.

        Raises `Unavailable` when the database is away, so that every door answers 503 and not 500.
        """
        with _away_is_unavailable(), self._sessions() as session:
            with session.begin():
                # SQLite: take the write lock now and wait for it; a read that turns into a write later fails at once
                info = session.connection(execution_options=WRITES).info
                yield session
            self._require_file(info)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads: on SQLite it waits for nobody. Raises `Unavailable` as `begin` does."""
        with _away_is_unavailable(), self._sessions() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """`read`, where all statements see the database as of one moment."""
        with _away_is_unavailable(), self._sessions() as session:
            if self.dialect != "sqlite":  # whose transactions are snapshots anyway
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def connect_to_write(self) -> Iterator[sa.Connection]:
        """A bare connection in one transaction, for statements on the hot path. Raises what the driver raises."""
        with self.engine.connect().execution_options(**WRITES_FIRST) as connection:
            with connection.begin():
                yield connection
            self._require_file(connection.info)

    def _require_file(self, info: MutableMapping[Any, Any]) -> None:
        """After a commit, since the file may have gone while it was made."""
        if self._file is not None:
            self._file.require_written(info)

    def ping(self) -> None:
        """One round trip. Raises what the driver raises."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def refused(self, error: DBAPIError) -> None:
        """Note that new events were not taken, and why."""
        self._refused = time.monotonic(), error

    def refusal(self) -> DBAPIError | None:
        """Why new events were not taken lately; None once some were. On a full disk a small row may still find room."""
        if self._refused is None:
            return None
        at, error = self._refused
        return error if at > self.wrote_at and time.monotonic() - at < REFUSED_SECONDS else None

    def dispose(self) -> None:
        """Close what is open. A restore may put another file in its place then."""
        self.engine.dispose()
        if self._file is not None:
            self._file.closed()


@contextmanager
def _away_is_unavailable() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if is_away(error):
            raise Unavailable(why(error)) from error
        raise
    except sa.exc.TimeoutError as error:  # no connection became free in time
        raise Unavailable("The database is busy; try again.") from error


def _engine(url: sa.URL, pool_size: int) -> sa.Engine:
    # an error's text is logged: the values of a statement are people's data, or secrets
    common: dict[str, Any] = {
        "hide_parameters": True,
        "json_serializer": lambda value: json.dumps(value, separators=(",", ":")),
    }
    engine = _made(url, pool_size, common)
    sa_event.listen(engine, "handle_error", _leave_what_is_read_only)
    return engine


def _leave_what_is_read_only(context: sa.ExceptionContext) -> None:
    """Drop the connections to what takes no writes: after a failover the same name leads to another server, and SQLite
    finds out only as it opens a file whether it may be written."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and codes_of(error) & READ_ONLY:
        context.is_disconnect = True


def _made(url: sa.URL, pool_size: int, common: dict[str, Any]) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, **common)
        sa_event.listen(engine, "connect", _sqlite_pragmas)
        sa_event.listen(engine, "begin", _sqlite_begin)
        return engine
    if url.get_backend_name() == "postgresql":
        # a frozen server must not hold a thread for ever: connecting and every statement have a bound; and a frozen
        # process of ours must not hold its locks for ever, so that a transaction that does nothing is ended
        arguments: dict[str, Any] = {
            "connect_timeout": 3,
            "options": "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=120000",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
    else:
        arguments = {
            "connect_timeout": 3,
            "read_timeout": 60,
            "write_timeout": 60,
            "charset": "utf8mb4",
            "init_command": "SET innodb_lock_wait_timeout = 50 /*M!100301 , idle_transaction_timeout = 120 */",
        }
        common["isolation_level"] = "READ COMMITTED"  # what the other databases do; a repeated read must see new rows
    common |= {"pool_timeout": 5, "pool_pre_ping": True, "connect_args": arguments}
    return sa.create_engine(url, pool_size=pool_size, max_overflow=POOL_OVERFLOW, **common)


def _watched(engine: sa.Engine) -> SqliteFile | None:
    """Compare the file of a SQLite database at every connect and every begin. None where there is no file."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return None
    file = SqliteFile(str(engine.url.database))
    sa_event.listen(engine, "do_connect", lambda *_: file.require_before_connect())
    sa_event.listen(engine, "connect", lambda connection, record: file.opened(connection, record.info))
    sa_event.listen(engine, "begin", lambda connection: file.require(connection.info), insert=True)
    return file


def _sqlite_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if not (options.get("quadra_first") and _begun_first(connection.connection.dbapi_connection)):
        connection.exec_driver_sql(options.get("quadra_begin", "BEGIN"))


def _begun_first(raw: Any) -> bool:
    """Take the write lock as soon as it is free. False where that raises or lasts too long: the usual way says why.

    SQLite's own waiting sleeps longer at each look, up to 100 ms, and whoever looks most often gets the lock. So the
    worker, which writes all the time after a rush of events, waits for the events that come in, and not they for it.
    """
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        until = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < until:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    return False
            time.sleep(ASK_SECONDS)
        return False
    finally:
        raw.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1_000:.0f}")


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy says BEGIN itself; sqlite3's own guessing hides lock errors
    cursor = connection.cursor()
    # FULL: a commit is on disk before it is acknowledged, also through a power cut
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-16000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
