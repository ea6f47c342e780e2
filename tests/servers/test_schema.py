"""The copied schema is the migrated one."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core import migrate
from quadra.core.database import Database
from tests.servers.schema import bring_up


def looked_at(database: Database) -> list[str]:
    """All that can be told of tables and views, and what lies in them."""
    found, inspector = [], sa.inspect(database.engine)
    with database.engine.connect() as connection:
        for name in sorted(inspector.get_table_names()):
            columns = [
                (one["name"], str(one["type"]), one["nullable"], one["default"]) for one in inspector.get_columns(name)
            ]
            rules = [
                sorted(map(str, look(name)))
                for look in (
                    inspector.get_indexes,
                    inspector.get_foreign_keys,
                    inspector.get_unique_constraints,
                    inspector.get_check_constraints,
                )
            ]
            rows = connection.exec_driver_sql(f"SELECT * FROM {name}").all()
            found.append(f"{name} {columns} {inspector.get_pk_constraint(name)} {rules} {rows}")
    found += [f"{name} {inspector.get_view_definition(name)}" for name in sorted(inspector.get_view_names())]
    return [one.replace(str(database.url.database), "") for one in found]


def test_a_copied_schema_is_the_one_that_migrations_make(
    any_database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    migrated = Database(any_database_url)
    migrate.upgrade(migrated)
    servers = {"postgresql": "postgres", "mysql": "mariadb"}
    own = migrated.dialect in servers and request.getfixturevalue(servers[migrated.dialect]).database()
    copied = Database(own or f"sqlite:///{tmp_path / 'copied' / 'quadra.db'}")
    bring_up(copied)
    assert looked_at(copied) == looked_at(migrated)
    migrated.dispose()
    copied.dispose()


def test_a_database_that_has_a_schema_keeps_what_is_in_it(any_database_url: str) -> None:
    database = Database(any_database_url)
    bring_up(database)
    with database.begin() as session:
        session.execute(sa.text("CREATE TABLE note (text VARCHAR(20))"))
    bring_up(database)
    assert "note" in sa.inspect(database.engine).get_table_names()
    database.dispose()
