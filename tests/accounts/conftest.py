"""An app with nothing but the accounts room, on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import DictLoader

import quadra.tables
from quadra.accounts import passwords, room
from quadra.accounts.keys import make_key
from quadra.accounts.passwords import hash_password
from quadra.accounts.projects import create_project, get_project
from quadra.accounts.setup import Initialised, initialise
from quadra.accounts.tables import User
from quadra.accounts.users import create_user
from quadra.core.database import Base, Database
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings, load
from quadra.core.web import http
from quadra.core.web.limits import limiter

assert quadra.tables.ALL
PASSWORD = "correct horse battery"
LOGIN_PAGE = "error={{ error }} next={{ next }} email={{ email }} token=[{{ csrf_token }}]"


@pytest.fixture(autouse=True)
def nobodys_hash() -> Iterator[None]:
    """By the hasher of each test: the real one where something depends on its work."""
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._nobodys_hash.cache_clear()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def settings() -> Settings:
    return load(secret_key="a secret of this test")


@pytest.fixture
def started(database: Database, settings: Settings) -> Initialised:
    """What the first start made: the project `default` and its keys, and the admin."""
    with database.begin() as session:
        return initialise(session, settings=settings)


@pytest.fixture
def make_app(database: Database, settings: Settings, started: Initialised) -> Callable[..., Flask]:
    def make(**changes: Any) -> Flask:
        app = Flask("test")
        app.jinja_loader = DictLoader({"login.html": LOGIN_PAGE})
        # one limiter serves all apps of a process, and remembers that an earlier test's Redis was away: it counts in memory
        # of its own then, and begins anew where it finds that the storage answers again
        limiter._storage_dead = False
        app.extensions["quadra"] = Runtime(settings=settings.model_copy(update=changes), database=database)
        http.set_up(app)
        open_rooms(app, app.extensions["quadra"], room)
        return app

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def make_user(database: Database) -> Callable[..., User]:
    def make(email: str = "ada@example.com", role: str = "viewer", password: str = PASSWORD) -> User:
        with database.begin() as session:
            return create_user(session, email=email, password=hash_password(password, email=email), role=role)

    return make


@pytest.fixture
def key_of(database: Database) -> Callable[..., str]:
    """`key_of("shop", "read")`: a new key in plain text; the project is made where it is missing."""

    def make(slug: str, scope: str, **options: Any) -> str:
        with database.begin() as session:
            if slug != "default":
                create_project(session, name=slug, slug=slug)
        with database.begin() as session:
            return make_key(session, project=get_project(session, slug), scope=scope, **options)[1]

    return make


@pytest.fixture
def log_in(client: FlaskClient) -> Callable[..., dict[str, str]]:
    """Log the client in; what comes back are the headers that unsafe methods need."""

    def enter(email: str = "ada@example.com", password: str = PASSWORD) -> dict[str, str]:
        answer = client.post("/api/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return {"X-CSRF-Token": answer.json["csrf_token"]}

    return enter


def bearer(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def trusting() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Settings as the environment spells them, in their types."""
    return lambda changes: {name: getattr(load(**{name: value}), name) for name, value in changes.items()}
