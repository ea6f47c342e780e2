"""The tables of the engine in each database, from the version before and back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import quadra.tables
from alembic import command
from quadra.core import migrate
from quadra.core.database import Base, Database

assert quadra.tables.ALL


def differences(database: Database) -> list[Any]:
    """Between the tables of this room in Python and in the database."""

    def is_ours(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or name in ("job", "worker")

    options = {"compare_type": True, "include_object": is_ours}
    with database.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def test_jobs_of_the_version_before_survive_the_way_up_and_down(any_database_url: str) -> None:
    database = Database(any_database_url)
    columns = (
        "id, kind, args, state, priority, attempt, max_attempts, available_at, error_context, created_at, updated_at"
    )
    add = (
        f"INSERT INTO job ({columns}, unique_key) VALUES ('j1', 'k', '{{}}', 'PENDING', 0, 0, 5, 1, '[]', 1, 1, 'k:b')"
    )
    if database.dialect == "mysql":
        add = add.replace("unique_key)", "unique_key, `trigger`)")[:-1] + ", 'SCHEDULED')"
    else:
        add = add.replace("unique_key)", 'unique_key, "trigger")')[:-1] + ", 'SCHEDULED')"
    migrate.upgrade(database, "0001")
    with database.connect_to_write() as connection:
        connection.execute(sa.text(add))
    migrate.upgrade(database)
    assert differences(database) == []
    with database.connect_to_write() as connection:
        assert connection.execute(sa.text("SELECT unique_key, unique_as FROM job")).all() == [("k:b", "k:b")]
    command.downgrade(migrate.config(database), "0001")
    migrate.upgrade(database)
    assert differences(database) == []
    with database.connect_to_write() as connection:
        assert connection.execute(sa.text("SELECT id, unique_as FROM job")).all() == [("j1", "k:b")]
    database.dispose()
