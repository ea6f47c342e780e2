"""The installation: everything Quadra needs is there, and its first start was done."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec

import sqlalchemy as sa

from quadra.accounts.projects import DEFAULT
from quadra.accounts.tables import Project, User
from quadra.core import migrate
from quadra.core.database import Database
from quadra.health.context import CheckContext
from quadra.health.verdict import Found, check, healthy, unhealthy

REQUIRED = {
    "flask": "flask",
    "flask_socketio": "flask-socketio",
    "flask_limiter": "flask-limiter",
    "sqlalchemy": "sqlalchemy",
    "alembic": "alembic",
    "duckdb": "duckdb",
    "pyarrow": "pyarrow",
    "redis": "redis",
    "orjson": "orjson",
    "msgspec": "msgspec",
    "argon2": "argon2-cffi",
    "pybreaker": "pybreaker",
    "psutil": "psutil",
}
"""module -> the distribution it comes from"""
DRIVERS = {"postgresql": ("psycopg", "psycopg"), "mysql": ("pymysql", "pymysql")}


@check("ingest", keep_seconds=300)
def modules(context: CheckContext) -> Found:
    """The libraries are there; finding them imports nothing."""
    wanted = REQUIRED | dict(
        [DRIVERS[context.runtime.database.dialect]] if context.runtime.database.dialect in DRIVERS else []
    )
    missing = sorted(name for name in wanted if find_spec(name) is None)
    if missing:
        return unhealthy(f"Not installed: {', '.join(missing)}. Run `make run`.", missing=missing)
    return healthy("Every library is there.", versions={name: metadata.version(name) for name in wanted.values()})


def started(database: Database) -> dict[str, bool]:
    """What the first start makes: the tables of this version, the first project and an account. Raises what the driver raises."""
    done = {"migrations": migrate.fits(migrate.current(database), database), "first_start": False}
    if done["migrations"]:
        with database.engine.connect() as connection:
            project = connection.execute(sa.select(Project.id).where(Project.slug == DEFAULT)).first()
            done["first_start"] = (
                project is not None and connection.execute(sa.select(User.id).limit(1)).first() is not None
            )
    return done
