"""A warehouse to fill, and questions asked as an address asks them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import orjson
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import create_project, get_project
from quadra.accounts.tables import Project
from quadra.analytics import room
from quadra.analytics.questions.lens import Lens
from quadra.core import clock
from quadra.core.api.raw_params import RawParams, raw_params
from quadra.core.database import Database
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.core.web import http
from quadra.ingest.accept import Sender, accept
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.ingest.wire import from_dict
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.compaction import compact_some
from tests.analytics.reference import Event
from tests.servers.schema import bring_up

As = Callable[..., dict[str, str]]
_numbers = itertools.count(1)
OF_THE_MOMENT = ("computed_at", "elapsed_ms", "rows_read", "at", "late_until")
"""Fields of answers that tell when something was asked or stored: not the same for two histories that are alike."""


class Place:
    """A database whose every story is a project of its own."""

    def __init__(self, runtime: Runtime):
        self.runtime = runtime
        self._log = Log(runtime.database, writer="test", batch_max_events=10_000)

    def project(self, timezone: str = "UTC", week_start: str = "monday") -> Project:
        with self.runtime.database.begin() as session:
            return create_project(session, name=f"Story {next(_numbers)}", timezone=timezone, week_start=week_start)

    def tell(self, events: Sequence[Event], timezone: str = "UTC", week_start: str = "monday") -> Project:
        """A project with these events."""
        project = self.project(timezone, week_start)
        self.append(project, events)
        return project

    def append(self, project: Project, events: Sequence[Event]) -> None:
        rows = []
        for event in events:
            wire = {
                "event_id": f"e{next(_numbers)}",
                "event_type": event.event_type or event.name,
                "event_name": event.name,
                "kind": event.kind,
                "user_id": event.id,
                "anonymous_id": event.anonymous_id,
                "timestamp": clock.iso(clock.from_us(event.us)),
                "properties": event.props,
                **event.fields,
            }
            sender = Sender(project.id, "http", bot=event.bot, country=event.country)
            given = {name: value for name, value in wire.items() if value is not None}
            rows.append(accept(from_dict(given), sender, clock.now_us()))
        if rows:
            self._log.append(rows)

    def compact(self, project: Project) -> None:
        """From now on its events lie in segments."""
        with self.runtime.database.begin() as session:
            opened = sa.and_(Batch.project_id == project.id, Batch.status == "OPEN")
            session.execute(sa.update(Batch).where(opened).values(status="SEALED", sealed_at=clock.now()))
        while compact_some(self.runtime, project.id):
            pass

    def forget(self) -> None:
        """The answers that were kept: what is asked next is worked out."""
        warehouse_of(self.runtime).answers.clear()

    def ask(self, lens: Any, project: Project, body: dict[str, Any] | None = None, /, **asked: Any) -> Any:
        """`ask(trends, project, event="a", where={"plan": "pro"})`; the answer as JSON brings it to whoever asked."""
        asked = {"from": "2026-03-02", "to": "2026-03-15", **(body or {}), **asked}
        return self.answer(lens.LENS, _given(asked), project)

    def answer(self, lens: Lens[Any, Any], given: RawParams, project: Project) -> Any:
        """As JSON, after it was compared with its description."""
        sent = msgspec.json.encode(lens.ask(self.runtime, lens.read(given, project)))
        return strictly(lens, sent)


def strictly(lens: Lens[Any, Any], sent: bytes) -> Any:
    """An answer, which has the fields of its struct and no other ones."""
    decoded = msgspec.json.decode(sent, type=lens.Answer)
    plain = orjson.loads(sent)
    assert orjson.loads(msgspec.json.encode(decoded)) == plain
    return plain


def _given(asked: dict[str, Any]) -> RawParams:
    pairs: list[tuple[str, str]] = []
    for name, value in asked.items():
        if isinstance(value, dict):
            pairs += [(f"{name}[{prop}]", str(each)) for prop, each in value.items()]
        elif value is not None:
            pairs.append((name, str(value)))
    return raw_params(pairs)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("data")
    database = Database(f"sqlite:///{data / 'quadra.db'}")
    bring_up(database)
    given = {
        "database_url": str(database.url),
        "data_dir": data,
        "ingest_timeout": "10ms",
    }  # which an erasure waits for
    runtime = Runtime(settings=load(**given), database=database)
    yield Place(runtime)
    runtime.close()


@pytest.fixture(scope="module")
def client(place: Place) -> FlaskClient:
    """The doors of accounts and lenses, over that warehouse."""
    app = Flask("test")
    app.extensions["quadra"] = place.runtime
    http.set_up(app)
    open_rooms(app, place.runtime, accounts, room)
    return app.test_client()


@pytest.fixture
def as_(place: Place) -> As:
    """The headers of a new key of a project."""

    def headers(slug: str, scope: str = "read") -> dict[str, str]:
        with place.runtime.database.begin() as session:
            _, plain = make_key(session, project=get_project(session, slug), scope=scope)
        return {"Authorization": f"Bearer {plain}"}

    return headers
