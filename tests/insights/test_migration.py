"""The tables of this room come and go with their migration, and are what the models say."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import command
from quadra.core import migrate
from quadra.core.database import Database
from quadra.insights.tables import Breaker, HourCount, Insight


def test_up_down_and_up_again(any_database_url: str) -> None:
    database = Database(any_database_url)
    ours = {table.__tablename__: table for table in (Breaker, HourCount, Insight)}
    try:
        migrate.upgrade(database, "0003")
        command.downgrade(migrate.config(database), "0002")
        assert not set(ours) & set(sa.inspect(database.engine).get_table_names())
        migrate.upgrade(database)
        inspector = sa.inspect(database.engine)
        for name, table in ours.items():
            found = {column["name"]: column["nullable"] for column in inspector.get_columns(name)}
            assert found == {column.name: column.nullable for column in table.__table__.columns}
            indexes = {index["name"] for index in inspector.get_indexes(name)}
            assert {index.name for index in table.__table__.indexes} <= indexes  # type: ignore[attr-defined]
    finally:
        database.dispose()
