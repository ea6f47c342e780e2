"""A migrated database, jobs to put into it, and what was written about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.core import migrate
from quadra.core.database import Database
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from tests.servers.postgres import PostgresServer

effects = sa.Table(
    "test_effect",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job_id", sa.String(36), nullable=False),
    sa.Column("what", sa.String(10), nullable=False),
)
"""What the handlers of the tests write. Nothing in it is unique: a second effect of a job is a second row."""


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, pool_size=20)
    try:
        migrate.upgrade(database)
        effects.metadata.create_all(database.engine)
        yield database
    finally:
        database.dispose()


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    with opened(any_database_url) as database:
        yield database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[Database]:
    url = postgres.database()
    with opened(url) as database:
        yield database
    postgres.drop(url)


@pytest.fixture
def add(request: pytest.FixtureRequest) -> Callable[..., str]:
    """`add("kind", **options)`: a new job; its id."""
    name = "any_database" if "any_database" in request.fixturenames else "database"
    database = request.getfixturevalue(name)

    def enqueue_one(kind: str = "insert", **options: Any) -> str:
        with database.begin() as session:
            return enqueue(session, kind=kind, **{"max_attempts": 5, **options}).id

    return enqueue_one


def get(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def count_effects(database: Database, what: str = "done") -> dict[str, int]:
    """job id -> how often its effect happened."""
    query = sa.select(effects.c.job_id, sa.func.count()).where(effects.c.what == what).group_by(effects.c.job_id)
    with database.read() as session:
        return dict(session.execute(query).all())
