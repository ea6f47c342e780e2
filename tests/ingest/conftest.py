"""A database with the schema of this version and one project, and rows to put into its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.web.loop import Loop
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Bounds, Outcome, Writer
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.servers.schema import bring_up
from tests.waiting import PATIENCE_SECONDS


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A migrated database with the project 1."""
    database = Database(url, pool_size=20)
    try:
        bring_up(database)
        with database.begin() as session:
            assert create_project(session, name="Shop").id == 1
        yield database
    finally:
        database.dispose()


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    """A running Quadra on SQLite for the tests of one file, by itself: ingest needs no worker."""
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    with opened(any_database_url) as database:
        yield database


@pytest.fixture
def server_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """On PostgreSQL or MariaDB, where writers do not wait for one another as on SQLite."""
    server = request.getfixturevalue(request.param)
    url = server.database()
    with ExitStack() as stack:
        stack.callback(server.drop, url)
        yield stack.enter_context(opened(url))


@pytest.fixture
def make_log(any_database: Database) -> Callable[..., Log]:
    return lambda writer="w1", **options: Log(
        any_database, writer=writer, **{"batch_max_events": 100, "job_kinds": {}, **options}
    )


BOUNDS = {"queue_events": 100, "queue_bytes": 10_000, "flush_events": 50, "linger_seconds": 0.001, "flush_seconds": 5.0}


@pytest.fixture(scope="module")
def loop() -> Loop:
    loop = Loop("eventlet")
    loop.start()
    return loop


@pytest.fixture
def make_writer(loop: Loop) -> Iterator[Callable[..., Writer]]:
    made: list[Writer] = []

    def make(log: Any, *, start: bool = True, **bounds: Any) -> Writer:
        writer = Writer(log, loop, Bounds(**{**BOUNDS, **bounds}))
        made.append(writer)
        if start:
            writer.start()
        return writer

    yield make
    for writer in made:
        writer.stop(5)


class Ticket:
    """Somebody who waits, and notes every answer."""

    door = "http"

    def __init__(self, *event_ids: str, weight: int = 10, rows: Sequence[Row] = ()):
        self.rows = [*rows, *(row(event_id) for event_id in event_ids)]
        self.weight = weight
        self.answers: list[Sequence[Outcome] | Unavailable] = []

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        self.answers.append(list(outcomes))

    def fail(self, error: Unavailable) -> None:
        self.answers.append(error)

    @property
    def stored(self) -> list[bool]:
        (answer,) = self.answers
        assert not isinstance(answer, Unavailable)
        return [type(outcome) is not Refused and not outcome[1] for outcome in answer]


def wait_for(loop: Loop, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        loop.sleep(0.005)


def row(event_id: str, project_id: int = 1, **fields: Any) -> Row:
    at = clock.now_us()
    columns = {"kind": "event", "name": "click", "event_type": "click", "occurred_at": at, "received_at": at, **fields}
    return Row(project_id=project_id, event_id=event_id, **columns)


def ask(database: Database, sql: str, **parameters: Any) -> list[Any]:
    with database.engine.connect() as connection:
        return list(connection.execute(sa.text(sql), parameters))
