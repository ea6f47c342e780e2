from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from quadra.accounts.keys import find_key
from quadra.accounts.setup import Initialised, initialise, secret_key
from quadra.accounts.tables import ApiKey, AuditEntry, Project, User
from quadra.accounts.users import authenticate
from quadra.core.database import Base, Database
from quadra.core.settings import Settings, load


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url)
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def settings() -> Settings:
    return load(secret_key="")


def count(database: Database, table: type[Base]) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_the_first_start_makes_what_it_says_and_says_it_once(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        made = initialise(session, settings=settings)
    assert made.created
    assert (made.project, made.admin_email) == ("default", "admin@quadra.local")
    assert made.write_key
    assert made.admin_key
    assert made.admin_password
    with database.read() as session:
        scopes = [key.scope for key in (find_key(session, made.write_key), find_key(session, made.admin_key)) if key]
        assert scopes == ["ingest", "admin"]
        assert authenticate(session, made.admin_email, made.admin_password).role == "admin"
    with database.begin() as session:
        assert initialise(session, settings=settings) == Initialised("default", "admin@quadra.local", created=False)
    assert [count(database, table) for table in (Project, ApiKey, User, AuditEntry)] == [1, 2, 1, 4]


def test_several_first_starts_at_once_make_everything_once(any_database: Database, settings: Settings) -> None:
    together = threading.Barrier(4)

    def start(_number: int) -> tuple[Initialised, str]:
        together.wait()
        with any_database.begin() as session:
            made = initialise(session, settings=settings)
        with any_database.begin() as session:
            return made, secret_key(session, settings)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(start, range(4)))
    assert sorted(made.created for made, _ in outcomes) == [False, False, False, True]
    assert len({secret for _, secret in outcomes}) == 1
    assert len(outcomes[0][1]) > 40
    assert [count(any_database, table) for table in (Project, ApiKey, User)] == [1, 2, 1]


def test_a_secret_of_the_settings_goes_before_the_one_that_is_kept(database: Database) -> None:
    with database.begin() as session:
        assert secret_key(session, load(secret_key="chosen by the operator")) == "chosen by the operator"
