"""A migrated database, jobs to put into it, and what was written about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import create_project, get_project
from quadra.accounts.setup import initialise
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.core.web import http
from quadra.jobs import room as jobs
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from tests.jobs.effects import effects
from tests.servers.postgres import PostgresServer
from tests.servers.schema import bring_up


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, pool_size=20)
    try:
        bring_up(database)
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


@pytest.fixture
def client(database: Database) -> FlaskClient:
    settings = load(secret_key="a secret of this test")
    app = Flask("test")
    app.extensions["quadra"] = Runtime(settings, database)
    http.set_up(app)
    open_rooms(app, app.extensions["quadra"], accounts, jobs)
    with database.begin() as session:
        initialise(session, settings=settings)
        create_project(session, name="shop", slug="shop")
        create_project(session, name="other", slug="other")
    return app.test_client()


@pytest.fixture
def bearer(client: FlaskClient, database: Database) -> Callable[..., dict[str, str]]:
    def make(slug: str = "default", scope: str = "admin") -> dict[str, str]:
        with database.begin() as session:
            return {"Authorization": "Bearer " + make_key(session, project=get_project(session, slug), scope=scope)[1]}

    return make


@pytest.fixture
def job(client: FlaskClient, database: Database) -> Callable[..., str]:
    """`job("shop", state="FAILED")`"""

    def make(slug: str = "shop", *, kind: str = "analyse", batch_id: str | None = None, **values: Any) -> str:
        with database.begin() as session:
            project_id = get_project(session, slug).id
            made = enqueue(session, kind=kind, batch_id=batch_id, project_id=project_id, max_attempts=5)
            if values.get("state") == "FAILED":
                values = {"attempt": 5, "unique_key": None, "finished_at": clock.now(), **values}
            if values:
                session.execute(sa.update(Job).where(Job.id == made.id).values(**values))
            return made.id

    return make


def get(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def count_effects(database: Database, what: str = "done") -> dict[str, int]:
    """job id -> how often its effect happened."""
    query = sa.select(effects.c.job_id, sa.func.count()).where(effects.c.what == what).group_by(effects.c.job_id)
    with database.read() as session:
        return dict(session.execute(query).all())
