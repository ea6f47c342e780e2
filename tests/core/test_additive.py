"""What a migration says of itself is true: the version before works over the schema of one that calls itself additive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from quadra.core import migrate
from quadra.core.database import Database
from quadra.core.errors import Misconfigured

Shape = dict[str, dict[str, Any]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    yield database
    database.dispose()


def shape(database: Database) -> Shape:
    """Table -> its columns and what must be unique in it."""
    look = sa.inspect(database.engine)
    return {
        table: {
            "columns": {one["name"]: one for one in look.get_columns(table)},
            "unique": {tuple(one["column_names"]) for one in look.get_unique_constraints(table)}
            | {tuple(one["column_names"]) for one in look.get_indexes(table) if one["unique"]},
        }
        for table in look.get_table_names()
    }


def breaks(before: Shape, after: Shape) -> list[str]:
    """What the version that knows `before` would miss or be refused over `after`."""
    found = [f"table {table} is gone" for table in before if table not in after]
    for table in before.keys() & after.keys():
        old, new = before[table]["columns"], after[table]["columns"]
        found += [f"{table}.{name} is gone" for name in old if name not in new]
        for name in old.keys() & new.keys():
            if new[name]["type"]._type_affinity is not old[name]["type"]._type_affinity or (
                (getattr(old[name]["type"], "length", None) or 0)
                > (getattr(new[name]["type"], "length", None) or 10**9)
            ):
                found.append(f"{table}.{name} is of another type")
            if old[name]["nullable"] and not new[name]["nullable"]:
                found.append(f"{table}.{name} must be given")
        found += [
            f"{table}.{name} must be given"
            for name, one in new.items()
            if name not in old and not one["nullable"] and one["default"] is None
        ]
        found += [f"{table}: {one} must be unique" for one in after[table]["unique"] - before[table]["unique"]]
    return found


def test_every_migration_says_whether_it_is_additive() -> None:
    for one in ScriptDirectory(str(migrate.ROOT / "alembic")).walk_revisions():
        assert isinstance(getattr(one.module, "additive", None), bool), f"{one.path}: set `additive` to True or False"


def test_the_version_before_works_over_each_additive_migration(database: Database) -> None:
    before: Shape = {}
    for step in migrate.steps():
        migrate.upgrade(database, step.revision)
        after = shape(database)
        if step.additive:
            assert breaks(before, after) == [], step.revision
        before = after


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE health_mark",
        "ALTER TABLE project RENAME COLUMN timezone TO zone",
        "ALTER TABLE project DROP COLUMN timezone",
        "CREATE UNIQUE INDEX one_name ON project (name)",
        "ALTER TABLE project ADD COLUMN owner INTEGER NOT NULL",
    ],
)
def test_what_breaks_the_version_before_is_noticed(database: Database, statement: str) -> None:
    migrate.upgrade(database)
    before = shape(database)
    with database.connect_to_write() as connection:
        connection.execute(sa.text("DROP VIEW IF EXISTS user_events"))
        for view in sa.inspect(connection).get_view_names():
            connection.execute(sa.text(f"DROP VIEW {view}"))
        connection.execute(sa.text(statement))
    assert breaks(before, shape(database)) != []


def test_a_version_runs_over_a_newer_schema_only_when_it_was_told_of_that_one(database: Database) -> None:
    migrate.upgrade(database)
    with database.connect_to_write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'newer'"))
    database.newer_schema = "newer"
    migrate.upgrade(database)
    migrate.refuse_newer(database)
    assert migrate.fits("newer", database)
    for other in ("", "another"):
        database.newer_schema = other
        assert not migrate.fits("newer", database)
        with pytest.raises(Misconfigured, match="newer"):
            migrate.upgrade(database)
    # one that it knows is migrated, whatever it was told
    database.newer_schema = migrate.steps()[0].revision
    assert not migrate.fits(database.newer_schema, database)


def test_what_is_pending_is_what_the_upgrade_does() -> None:
    known = migrate.steps()
    assert known[-1].revision == migrate.head()
    assert migrate.pending(None) == known
    assert migrate.pending(known[-3].revision) == known[-2:]
    assert migrate.pending(migrate.head()) == migrate.pending("newer") == []
