"""Bring a database to the schema of this version; safe when several processes start at once."""

from __future__ import annotations

import logging
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from quadra import __version__
from quadra.core.database import Database
from quadra.core.errors import Misconfigured, Unavailable

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
LOCK_KEY = 7_155_913
"""Any number, the same in every Quadra: PostgreSQL's advisory lock for migrating."""


def config(database: Database) -> Config:
    """Alembic's configuration for a database of ours."""
    made = Config(ROOT / "alembic.ini")
    made.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))
    made.attributes["database"] = database
    return made


@cache
def _scripts() -> ScriptDirectory:
    """The migrations of this version. Read once: each start and each command asks for them several times."""
    return ScriptDirectory(str(ROOT / "alembic"))


def head() -> str:
    """The newest revision that this version of Quadra knows."""
    found = _scripts().get_current_head()
    if found is None:
        raise Misconfigured("alembic/versions is empty: this installation is incomplete.")
    return found


def knows(revision: str) -> bool:
    """Whether this version of Quadra has that revision; one that it has not is of a newer version."""
    return any(one.revision == revision for one in _scripts().walk_revisions())


class Step(NamedTuple):
    """One migration. `additive`: the version before works over its schema too, so both may run at once, and going back to it
    needs no downgrade. Who does not say so in its file is not."""

    revision: str
    additive: bool


def steps() -> list[Step]:
    """Every migration of this version, oldest first."""
    walked = _scripts().walk_revisions()
    return [Step(one.revision, getattr(one.module, "additive", False) is True) for one in walked][::-1]


def pending(at: str | None) -> list[Step]:
    """What `upgrade` does with a database at this revision. Nothing with one of a newer version."""
    known = steps()
    revisions = [one.revision for one in known]
    if at is None:
        return known
    return known[revisions.index(at) + 1 :] if at in revisions else []


def fits(at: str | None, database: Database) -> bool:
    """Whether this version works over a schema at this revision: its own, or the newer one that it was told of."""
    return at == head() or (at is not None and at == database.newer_schema and not knows(at))


def newer(revision: str) -> str:
    """What to do about a schema that this version does not know."""
    return (
        f"The schema is at {revision}, which a newer Quadra made; this one ({__version__}) knows up to {head()}. "
        "Install that version, or restore a backup of this one."
    )


def refuse_newer(database: Database) -> None:
    """Raises `Misconfigured` where a newer version of Quadra made this schema: what it means by a row is not known here, unless
    the watcher of a rollout has said so; and `Unavailable`."""
    with database.read() as session:
        at = MigrationContext.configure(session.connection()).get_current_revision()
    if at is not None and not knows(at) and not fits(at, database):
        raise Misconfigured(newer(at))


def current(database: Database) -> str | None:
    """The revision a database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def behind(database: Database) -> bool:
    """Whether the database must be migrated first. One of a newer version is not behind: during a rollout the old version's
    processes may start again after the new one has migrated."""
    at, known = current(database), _scripts()
    return at is None or (at != head() and any(script.revision == at for script in known.walk_revisions()))


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate up. Waits for a database that is still starting. Raises `Unavailable`, and `Misconfigured` where the database
    is of a newer version."""
    wait_until_there(database)
    at = current(database)
    if revision == "head" and fits(at, database):
        if at != head():
            logger.warning("database.schema.newer", extra={"revision": at, "known": head()})
        return
    refuse_newer(database)
    with database.engine.connect() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_KEY})")
        elif database.dialect == "mysql":
            connection.exec_driver_sql("SELECT GET_LOCK('quadra.migrate', 120)")
        try:
            command.upgrade(config(database), revision)
        finally:
            if database.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_KEY})")
            elif database.dialect == "mysql":
                connection.exec_driver_sql("SELECT RELEASE_LOCK('quadra.migrate')")


def wait_until_there(database: Database, seconds: float = 45) -> None:
    """Wait for a server that is still starting. Raises `Unavailable`."""
    if database.dialect == "sqlite":
        if database.url.database and database.url.database != ":memory:":
            Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
        return
    until = time.monotonic() + seconds
    while True:
        try:
            database.ping()
            return
        except sa.exc.OperationalError as error:
            if time.monotonic() > until:
                raise Unavailable(f"The database at {database.url!r} does not answer: {error.orig}") from error
            logger.warning("database.start.waited", extra={"reason": str(error.orig).strip()})
            time.sleep(1)
