"""The schema of this version without its migrations: they cost a quarter of a second, twice that on a
server, and a thousand tests want their outcome.

The first test of a process migrates a database of each kind; the others get copies. What is about migrations calls
`migrate.upgrade`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from quadra.core import migrate
from quadra.core.database import Database

TEMPLATE = f"migrated_{os.getpid()}"


def bring_up(database: Database) -> None:
    """Give an empty database the schema of this version; one that has a schema stays as it is."""
    url = database.url
    assert url.database is not None
    if database.dialect == "sqlite":
        if not Path(url.database).exists():
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_sqlite_template(), url.database)  # its mode too
    elif migrate.current(database) is not None:
        return
    elif url.database == "postgres":  # what PostgreSQL comes with cannot be made anew
        migrate.upgrade(database)
    elif database.dialect == "postgresql":
        database.dispose()  # nobody may be in it
        _copy_on_postgres(url)
    else:
        statements = _mariadb_statements(url.set(database="mysql"))
        with database.engine.begin() as connection:
            for statement in ("SET FOREIGN_KEY_CHECKS=0", *statements, "SET FOREIGN_KEY_CHECKS=1"):
                connection.exec_driver_sql(statement)


def _copy_on_postgres(url: sa.URL) -> None:
    engine = sa.create_engine(url.set(database="postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        known = "SELECT 1 FROM pg_database WHERE datname = %(name)s"
        if not connection.exec_driver_sql(known, {"name": TEMPLATE}).all():
            connection.exec_driver_sql(f"CREATE DATABASE {TEMPLATE}")
            _migrated(url.set(database=TEMPLATE))
        connection.exec_driver_sql(f"DROP DATABASE {url.database}")
        connection.exec_driver_sql(f"CREATE DATABASE {url.database} TEMPLATE {TEMPLATE}")


def _migrated(url: sa.URL | str) -> None:
    database = Database(url if isinstance(url, str) else url.render_as_string(hide_password=False))
    try:
        migrate.upgrade(database)
    finally:
        database.dispose()


@cache
def _sqlite_template() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="quadra-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    template = directory / "quadra.db"
    template.touch(mode=0o600)  # as Quadra makes its own
    _migrated(f"sqlite:///{template}")
    return template


_mariadb: list[str] = []


def _mariadb_statements(server: sa.URL) -> list[str]:
    """What makes all tables and views of a migrated database, and what the migrations put into them."""
    if _mariadb:
        return _mariadb
    with sa.create_engine(server, poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {TEMPLATE}")
    _migrated(server.set(database=TEMPLATE))
    engine = sa.create_engine(server.set(database=TEMPLATE), poolclass=sa.NullPool)
    made = _mariadb
    with engine.connect() as connection:
        kinds = connection.exec_driver_sql("SHOW FULL TABLES").all()
        tables = [name for name, kind in kinds if kind == "BASE TABLE"]
        made += [connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1] for name in tables]
        for name in tables:
            for row in connection.exec_driver_sql(f"SELECT * FROM `{name}`"):
                assert all(isinstance(value, str | int) for value in row), (
                    "a migration puts more into it than this copies"
                )
                made.append(f"INSERT INTO `{name}` VALUES ({', '.join(map(repr, row))})")
        for name, kind in kinds:
            if kind == "VIEW":
                view = connection.exec_driver_sql(f"SHOW CREATE VIEW `{name}`").one()[1]
                made.append(view.replace(f"`{TEMPLATE}`.", "").replace("%", "%%"))
    return made
