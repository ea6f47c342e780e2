"""PostgreSQL: pg_dump of one exported snapshot, whose rows are counted in that same snapshot; pg_restore in one transaction.

To replace a database its schema is renamed, not dropped: whatever goes wrong, renaming it back brings the old one back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from quadra.backup.dumps import databases, programs
from quadra.backup.dumps.databases import Facts, Write
from quadra.backup.dumps.postgres_programs import find
from quadra.backup.replica.sides import address, admin_url, conninfo
from quadra.backup.replica.status import first_line
from quadra.core.database import Database
from quadra.core.errors import Conflict, Misconfigured, Unavailable
from quadra.core.settings import Settings

ASIDE = "quadra_replaced"
MAY_CREATE = (
    "This restores into a database of its own, and the user may not create one: ALTER ROLE … CREATEDB, or name another "
    "user in QUADRA_POSTGRES_ADMIN_URL."
)


class PostgresDumper:
    suffix = ".pgdump"

    def dump(self, settings: Settings, scratch: Path, write: Write, on_facts: Callable[[Facts], None]) -> None:
        program = find("pg_dump", settings)
        database = Database(settings.database_url, pool_size=1)
        try:
            with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
                snapshot = connection.scalar(sa.text("SELECT pg_export_snapshot()"))
                on_facts(_facts(connection))
                url = database.url
                command: list[str | Path] = [
                    program,
                    "--format=custom",
                    "--compress=0",
                    "--no-owner",
                    "--no-privileges",
                    "--no-password",
                ]
                target = ["--schema=public", f"--snapshot={snapshot}", f"--dbname={_dsn(url)}"]
                programs.read_from([*command, *target], write, _password(url))
        except sa.exc.OperationalError as error:
            raise Unavailable(
                f"The database at {address(database.url)} does not answer: {first_line(error.orig or error)}"
            ) from error
        finally:
            database.dispose()

    def load(self, settings: Settings, dump: Path, url: str) -> None:
        made = sa.make_url(url)
        with _connected(made) as connection:
            if _tables(connection):
                raise Conflict(f"The database {made.database} at {address(made)} is not empty.")
        command: list[str | Path] = [
            find("pg_restore", settings),
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
        ]
        target = ["--schema=public", "--no-password", f"--dbname={_dsn(made)}"]
        programs.run([*command, *target, dump], _password(made))

    @contextmanager
    def scratch(self, settings: Settings, directory: Path) -> Iterator[str]:
        url = admin_url(settings)
        name = f"quadra_scratch_{os.urandom(6).hex()}"
        with _connected(url) as connection:
            try:
                connection.execute(f"CREATE DATABASE {name}")
            except psycopg.errors.InsufficientPrivilege as error:
                raise Misconfigured(MAY_CREATE) from error
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            with _connected(url) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def replace(self, settings: Settings, dump: Path, directory: Path, check: Callable[[str], None]) -> str:
        url = sa.make_url(settings.database_url)
        undo_interrupted(settings)
        aside = f"{ASIDE}_{os.urandom(4).hex()}"
        with _connected(url) as connection, connection.transaction():
            connection.execute(f"ALTER SCHEMA public RENAME TO {aside}")
            connection.execute("CREATE SCHEMA public")
        try:
            self.load(settings, dump, settings.database_url)
            check(settings.database_url)
        except BaseException:
            undo_interrupted(settings)
            raise
        with _connected(url) as connection:
            connection.execute(f"DROP SCHEMA {aside} CASCADE")
        return ""


def undo_interrupted(settings: Settings) -> str:
    """Bring back what a restore that never ended had moved aside; says so, or nothing where there is nothing to undo."""
    url = sa.make_url(settings.database_url)
    with _connected(url) as connection:
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", (ASIDE + r"\_%",)
        ).fetchall()
        if not schemas:
            return ""
        with connection.transaction():
            connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
            connection.execute(f"ALTER SCHEMA {schemas[0][0]} RENAME TO public")
    return "a restore had not ended; the database from before it is back"


def _facts(connection: sa.Connection) -> Facts:
    replica = connection.scalar(sa.text("SELECT pg_is_in_recovery()"))
    position = "pg_last_wal_replay_lsn()" if replica else "pg_current_wal_lsn()"
    return Facts(
        counts=databases.counts(connection),
        segments=databases.segments(connection),
        revision=databases.revision(connection),
        server_version=f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}",
        position=str(connection.scalar(sa.text(f"SELECT {position}::text"))),
        size=int(connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0),
    )


@contextmanager
def _connected(url: sa.URL) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(conninfo(url), connect_timeout=5, autocommit=True)
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database at {address(url)} does not answer: {first_line(error)}") from error
    with connection:
        yield connection


def _tables(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return int(found[0]) if found else 0


def _dsn(url: sa.URL) -> str:
    return conninfo(url.set(password=None))


def _password(url: sa.URL) -> dict[str, str]:
    return {"PGPASSWORD": str(url.password), "PGCONNECT_TIMEOUT": "5"} if url.password else {"PGCONNECT_TIMEOUT": "5"}
