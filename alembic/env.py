"""Alembic's entry: the database comes from Quadra's settings, the schema from the rooms' tables."""

from __future__ import annotations

from alembic import context
from quadra.core import settings
from quadra.core.database import Base, Database
from quadra.tables import ALL

assert ALL, "importing quadra.tables registers every table"


def run() -> None:
    database: Database | None = context.config.attributes.get("database")
    if context.is_offline_mode():
        context.configure(url=settings.load().database_url, target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    if database is None:
        database = Database(settings.load().database_url)
    with database.connect_to_write() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


run()
