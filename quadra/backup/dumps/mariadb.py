"""MariaDB and MySQL: mariadb-dump in one transaction. Its snapshot cannot be shared, so the rows are counted just before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from quadra.backup.dumps import databases, programs
from quadra.backup.dumps.databases import Facts, Write
from quadra.core.database import Database
from quadra.core.errors import Conflict, Misconfigured, Unavailable
from quadra.core.settings import Settings

SCRATCH = "quadra_scratch"


class MariadbDumper:
    suffix = ".sql"

    def dump(self, settings: Settings, scratch: Path, write: Write, on_facts: Callable[[Facts], None]) -> None:
        program = _find("mariadb-dump", "mysqldump")
        database = Database(settings.database_url, pool_size=1)
        try:
            with database.engine.connect() as connection:
                on_facts(_facts(connection))
        except sa.exc.OperationalError as error:
            raise Unavailable(f"The database at {database.url!r} does not answer: {error.orig}") from error
        finally:
            database.dispose()
        options = [
            "--single-transaction",
            "--quick",
            "--skip-lock-tables",
            "--hex-blob",
            "--default-character-set=utf8mb4",
        ]
        url = database.url
        programs.read_from([program, *_server(url), *options, str(url.database)], write, _password(url))

    def load(self, settings: Settings, dump: Path, url: str) -> None:
        made = sa.make_url(url)
        if _tables(url):
            raise Conflict(f"The database {made.database} at {made.host} is not empty.")
        try:
            command = [_find("mariadb", "mysql"), *_server(made), "--default-character-set=utf8mb4", str(made.database)]
            programs.run(command, _password(made), dump)
        except BaseException:
            _empty(url)
            raise

    @contextmanager
    def scratch(self, settings: Settings, directory: Path) -> Iterator[str]:
        url = sa.make_url(settings.database_url)
        name = f"{SCRATCH}_{os.urandom(6).hex()}"
        database = Database(settings.database_url, pool_size=1)
        try:
            with database.engine.begin() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        except sa.exc.OperationalError as error:
            if "denied" not in str(error.orig):
                raise Unavailable(f"The database at {url!r} does not answer: {error.orig}") from error
            raise Misconfigured(
                f"This restores into a database of its own, and the user may not create one: GRANT ALL ON `{SCRATCH}\\_%`.*"
            ) from error
        finally:
            database.dispose()
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            for connection in databases.connected(settings.database_url):
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")

    def replace(self, settings: Settings, dump: Path, directory: Path, check: Callable[[str], None]) -> str:
        """It is tried in a database of its own first; the old one is emptied only then, since nothing here can be undone."""
        with self.scratch(settings, directory) as url:
            self.load(settings, dump, url)
            check(url)
        _empty(settings.database_url)
        self.load(settings, dump, settings.database_url)
        return ""


def _facts(connection: sa.Connection) -> Facts:
    size = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    return Facts(
        counts=databases.counts(connection),
        segments=databases.segments(connection),
        revision=databases.revision(connection),
        server_version=f"MariaDB {connection.scalar(sa.text('SELECT VERSION()'))}",
        counts_exact=False,
        size=int(connection.scalar(sa.text(size)) or 0),
    )


def _tables(url: str) -> list[tuple[str, str]]:
    query = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE()"
    return [(row[0], row[1]) for connection in databases.connected(url) for row in connection.exec_driver_sql(query)]


def _empty(url: str) -> None:
    """Drop every table and view."""
    found = _tables(url)
    for connection in databases.connected(url):
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        for name, kind in found:
            quoted = name.replace("`", "``")
            connection.exec_driver_sql(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} IF EXISTS `{quoted}`")


def _find(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise Misconfigured(f"{names[0]} is not on this machine: install mariadb-client.")


def _server(url: sa.URL) -> list[str]:
    return ["--no-defaults", f"--host={url.host}", f"--port={url.port or 3306}", f"--user={url.username}"]


def _password(url: sa.URL) -> dict[str, str]:
    return {"MYSQL_PWD": str(url.password)} if url.password else {}
