"""Migrations on each database: up, down and up again, as the tables say, and by several processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from quadra.core import migrate
from quadra.core.database import Base, Database
from quadra.tables import ALL


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url)
    yield database
    database.dispose()


def tables(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_an_empty_database_is_brought_to_the_newest_schema_and_a_second_time_changes_nothing(
    database: Database,
) -> None:
    assert migrate.current(database) is None
    migrate.upgrade(database)
    assert migrate.current(database) == migrate.head()
    assert set(Base.metadata.tables) <= tables(database)
    migrate.upgrade(database)
    assert migrate.current(database) == migrate.head()


def test_the_schema_goes_up_down_and_up_again(database: Database) -> None:
    migrate.upgrade(database)
    before = tables(database)
    command.downgrade(migrate.config(database), "base")
    assert tables(database) == set()
    migrate.upgrade(database)
    assert tables(database) == before


def test_every_single_step_goes_down_and_up(database: Database) -> None:
    migrate.upgrade(database)
    steps = [step.revision for step in ScriptDirectory.from_config(migrate.config(database)).walk_revisions()]
    for _ in steps:
        command.downgrade(migrate.config(database), "-1")
    assert migrate.current(database) is None
    for revision in reversed(steps):
        migrate.upgrade(database, revision)
        assert migrate.current(database) == revision


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    assert ALL
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_there_is_one_newest_revision(database: Database) -> None:
    assert len(ScriptDirectory.from_config(migrate.config(database)).get_heads()) == 1


def test_processes_that_migrate_at_once_all_succeed(any_database_url: str) -> None:
    code = (
        "import sys; from quadra.core import migrate; from quadra.core.database import Database; "
        "migrate.upgrade(Database(sys.argv[1]))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, any_database_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        )
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    database = Database(any_database_url)
    assert migrate.current(database) == migrate.head()
    database.dispose()
