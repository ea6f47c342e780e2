"""Quadra's own requests, errors and samples become events of the project `quadra`, within bounds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.core.web.served import Served
from quadra.health.self_events import NoteErrors, Observer, dropped_total
from quadra.health.web_observer import Requests, truncated
from tests.clients import event, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

SERVED = Served("GET", "/api/projects/<slug>", 404, 0.012, "r-1", "", "shop")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    app = Flask("test")
    app.extensions["quadra"] = Runtime(load(data_dir=tmp_path, secret_key="very-secret-value"), database)
    yield app
    database.dispose()


def observer_of(app: Flask, **changes: Any) -> Observer:
    found: Runtime = app.extensions["quadra"]
    return Observer(Runtime(found.settings.model_copy(update=changes), found.database), "web")


def dropped(reason: str) -> float:
    return dropped_total.labels(reason)._value.get()


def test_a_request_is_noted_by_its_template_and_without_a_whole_address(app: Flask) -> None:
    observer = observer_of(app)
    with app.test_request_context("/api/projects/shop?key=qk_secret", environ_base={"REMOTE_ADDR": "192.0.2.77"}):
        Requests(observer)(SERVED)
    (row,) = observer.take(7)
    assert (row.project_id, row.kind, row.duration_ms, row.success) == (7, "request", 12.0, False)
    stored = bytes(row.fields or b"") + bytes(row.properties or b"")
    assert b"/api/projects/<slug>" in stored
    assert b"192.0.2.0" in stored
    assert b"192.0.2.77" not in stored
    assert b"qk_secret" not in stored


@pytest.mark.parametrize(
    "endpoint", ["/api/events", "/health", "/health/ready", "/metrics", "/q.js", "/static/dashboard/<path:filename>"]
)
def test_ingest_probes_and_static_files_are_not_noted(app: Flask, endpoint: str) -> None:
    observer = observer_of(app)
    with app.test_request_context("/"):
        Requests(observer)(Served("GET", endpoint, 200, 0.001, "r", "", ""))
    assert observer.take(1) == []


def test_more_than_the_rate_is_dropped_and_counted(app: Flask) -> None:
    observer, before = observer_of(app, self_observe_per_second=1), dropped("rate")
    with app.test_request_context("/"):
        for _ in range(50):
            Requests(observer)(SERVED)
    rows = observer.take(1)
    assert len(rows) <= 3  # the seconds may change meanwhile
    assert dropped("rate") - before == 50 - len(rows)


def test_nothing_is_noted_on_a_disk_that_is_nearly_full(app: Flask) -> None:
    observer, before = observer_of(app, health_disk_fail=0), dropped("disk")
    observer.sample()
    with app.test_request_context("/"):
        Requests(observer)(SERVED)
    assert observer.take(1) == []
    assert dropped("disk") > before


def test_an_error_is_noted_with_its_stack_and_without_secrets(app: Flask) -> None:
    observer = observer_of(app)
    logger = logging.getLogger("quadra.test")
    handler = NoteErrors(observer)
    logger.addHandler(handler)
    try:
        raise ZeroDivisionError("with very-secret-value for ada@example.com and password=hunter2hunter2")
    except ZeroDivisionError:
        logger.exception("test.thing.failed")
        logging.getLogger("quadra.health.web_observer").addHandler(handler)
        logging.getLogger("quadra.health.web_observer").exception("it must not feed itself")
        logging.getLogger("quadra.health.web_observer").removeHandler(handler)
    finally:
        logger.removeHandler(handler)
    (row,) = observer.take(1)
    fields = bytes(row.fields or b"").decode()
    assert row.kind == "error"
    assert "ZeroDivisionError" in fields
    assert "test_observe.py" in fields
    for secret in ("very-secret-value", "ada@example.com", "hunter2hunter2"):
        assert secret not in fields


@pytest.mark.parametrize(
    ("address", "kept"), [("192.0.2.77", "192.0.2.0"), ("2001:db8:1:2::3", "2001:db8:1::"), ("", "")]
)
def test_an_address_is_truncated(address: str, kept: str) -> None:
    assert truncated(address) == kept


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    env = {"QUADRA_SELF_OBSERVE": "true", "QUADRA_HEALTH_DISK_FAIL": "100"}
    with closing(QuadraProcess(keeper, env)) as server:
        yield server


def test_the_lenses_work_on_quadra_itself(quadra: QuadraProcess) -> None:
    admin = {"Authorization": f"Bearer {quadra.init['admin_key']}"}

    def ask(path: str) -> Any:
        return send(quadra, path, method="GET", key=None, **admin).json

    assert send(quadra, body=event()).status == 200
    assert send(quadra, "/api/projects", method="GET", key=None, **admin).status == 200
    path = "/api/analytics/performance?project=quadra"
    eventually(lambda: any(one["endpoint"] == "/api/projects" for one in ask(path).get("endpoints", [])))
    endpoints = {one["endpoint"] for one in ask(path)["endpoints"]}
    assert "/api/events" not in endpoints
    assert not any(endpoint.startswith(("/health", "/static")) for endpoint in endpoints)
    trends = "/api/analytics/trends?project=quadra&event=metric&aggregate=total&interval=whole"
    eventually(lambda: ask(trends)["series"][0]["points"][0]["value"] >= 6)  # web and worker, three values each
