"""Alembic's entry: the database comes from Quadra's settings, the schema from the rooms' tables."""

from __future__ import annotations

from alembic import context
from quadra.core import migrate, settings
from quadra.core.database import Base, Database
from quadra.core.migrate_sqlite import statements
from quadra.tables import ALL

assert ALL, "importing quadra.tables registers every table"


def run() -> None:
    database: Database | None = context.config.attributes.get("database")
    if context.is_offline_mode():
        url = settings.load().database_url
        if url.startswith("sqlite"):
            to = str(context.get_revision_argument())
            for statement in statements(context.script, context.get_starting_revision_argument(), to):
                context.config.print_stdout("%s;\n", statement)
            return
        if url.startswith("mysql"):
            context.config.print_stdout(
                "-- For MySQL. For MariaDB, which has other collations: DATABASE_URL=mariadb://...\n"
            )
        context.configure(url=url, target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    if database is None:
        database = Database(settings.load().database_url)
        migrate.wait_until_there(database)
    with database.connect_to_write() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


run()
