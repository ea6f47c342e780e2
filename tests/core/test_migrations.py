"""Migrations on each database: up, down and up again, as the tables say, and by several processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from quadra.core import clock, migrate
from quadra.core.database import Base, Database, Instant, JsonText
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


def test_every_single_step_goes_down_and_up_with_rows_in_every_table(database: Database) -> None:
    """No row of a table that a step does not make or drop is lost by it, whichever way it is gone."""
    migrate.upgrade(database)
    fill(database)
    before = counts(database)
    assert set(before) == {table.name for table in Base.metadata.sorted_tables}
    assert min(before.values()) >= 1
    steps = [step.revision for step in ScriptDirectory.from_config(migrate.config(database)).walk_revisions()]
    for revision in steps:
        command.downgrade(migrate.config(database), "-1")
        older = counts(database)
        assert {name: older[name] for name in older if name in before} == {name: before[name] for name in older}
        migrate.upgrade(database, revision)
        again = counts(database)
        assert {name: again[name] for name in older} == older
        assert set(again) == set(before)
        command.downgrade(migrate.config(database), "-1")
        before = older
    assert migrate.current(database) is None
    for revision in reversed(steps):
        migrate.upgrade(database, revision)
        assert migrate.current(database) == revision


def counts(database: Database) -> dict[str, int]:
    with database.engine.connect() as connection:
        return {name: connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) for name in sorted(tables(database))}


def fill(database: Database) -> None:
    """A row in every table, of made-up values that its columns take; what refers to another table refers to that row."""
    made: dict[str, Any] = {}
    with database.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            row = {}
            for column in table.columns:
                parents = [key.target_fullname for key in column.foreign_keys if key.target_fullname in made]
                row[column.name] = made[parents[0]] if parents else value_for(column)
                made[f"{table.name}.{column.name}"] = row[column.name]
            connection.execute(sa.insert(table).values(row))


def value_for(column: sa.Column[Any]) -> Any:
    kinds = (
        (Instant, clock.now()),
        (sa.JSON, {"a": [1]}),
        (JsonText, {"a": [1]}),
        (sa.Boolean, True),
        (sa.Date, clock.now().date()),
    )
    for kind, value in (
        *kinds,
        (sa.Date, clock.now().date()),
        (sa.Double, 1.5),
        (sa.Integer, 1),
        (sa.LargeBinary, b"x"),
    ):
        if isinstance(column.type, kind):
            return value
    return "x"


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
