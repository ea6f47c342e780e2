"""What migrations say to SQLite, for `alembic upgrade head --sql`.

SQLite changes a table by making it anew from the one that is there, so Alembic cannot say the statements without a database:
they are taken down while the migrations run over an empty one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from quadra.core.database import Database
from quadra.core.sqlite_file import sqlite_url

READS = ("SELECT", "PRAGMA", "BEGIN")


def statements(script: ScriptDirectory, start: str | None, end: str) -> list[str]:
    """Those that lead from one revision to another, up or down. Raises `CommandError`."""
    start = start or "base"
    older = [step.revision for step in script.iterate_revisions(start, "base")]
    going_down = end == "base" or end in older
    with tempfile.TemporaryDirectory(prefix="quadra-sql-") as scratch:
        database = Database(sqlite_url(Path(scratch) / "scratch.db"))
        try:
            with database.connect_to_write() as connection:
                if start != "base":
                    _run(connection, lambda at: script._upgrade_revs(start, at))
                said = _taken_down(connection)
                move = script._downgrade_revs if going_down else script._upgrade_revs
                _run(connection, lambda at: move(end, at))
                return list(said)
        finally:
            database.dispose()


def _run(connection: sa.Connection, steps: Callable[[Any], Iterable[Any]]) -> None:
    """Without Alembic's `context`, of which there is one in a process: whoever asked for the statements has it."""
    context = MigrationContext.configure(connection=connection, opts={"fn": lambda at, _context: steps(at)})
    with Operations.context(context):
        context.run_migrations()


def _taken_down(connection: sa.Connection) -> list[str]:
    said: list[str] = []

    @sa.event.listens_for(connection, "before_cursor_execute")
    def take_down(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        text = statement.strip()
        if text.upper().startswith(READS):
            return
        if parameters:
            raise CommandError(f"A migration gives values beside its statement, which a script cannot: {text}")
        said.append(text)

    return said
