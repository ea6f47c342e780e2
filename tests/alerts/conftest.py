"""A migrated database with a project, a real receiver of webhooks, and the worker's parts run on the thread of the test."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import get_project
from quadra.accounts.setup import initialise
from quadra.alerts import evaluating, room
from quadra.alerts.handlers import HANDLERS
from quadra.alerts.tables import Alert
from quadra.analytics import room as analytics
from quadra.core import clock
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.web import http
from quadra.jobs.claim import claim
from quadra.jobs.run import Ended, Run
from quadra.jobs.tables import Job
from tests.insights.conftest import opened


@dataclass
class Receiver:
    """What webhooks are sent to: it keeps what came, and answers as it is told."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((dict(self.headers), body))
            kept.before_answer()
            self.send_response(kept.status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(b"thanks")

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is not its place."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook?for=quadra"
        yield kept
        server.shutdown()


@pytest.fixture
def fake_smtp() -> Iterator[list[bytes]]:
    """A fake mail server: its port, then what it was sent."""
    kept: list[bytes] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 fake\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (each := self.rfile.readline()) not in (b".\r\n", b""):
                        lines.append(each)
                    kept.append(b"".join(lines))
                self.wfile.write(b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        kept.append(str(server.server_address[1]).encode())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kept
        server.shutdown()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with opened(
        f"sqlite:///{tmp_path / 'quadra.db'}", data_dir=tmp_path, public_url="https://quadra.example", job_backoff="1s"
    ) as made:
        with made.database.begin() as session:
            initialise(session, settings=made.settings)
        yield made
        made.close()


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = Flask("test")
    app.extensions["quadra"] = runtime
    http.set_up(app)
    open_rooms(app, runtime, accounts, analytics, room)
    return app.test_client()


@dataclass
class Asker:
    """Requests with an admin key of a project."""

    client: FlaskClient
    runtime: Runtime
    project: str = "shop"
    scope: str = "admin"

    def __post_init__(self) -> None:
        with self.runtime.database.begin() as session:
            _, key = make_key(session, project=get_project(session, self.project), scope=self.scope)
        self._headers = {"Authorization": f"Bearer {key}"}

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.open(method, path, body)
        assert answer.status_code == status, answer.json
        return answer.json

    def open(self, method: str, path: str, body: Any = None) -> TestResponse:
        return self.client.open(path, method=method, json=body, headers=self._headers)


@pytest.fixture
def ask(client: FlaskClient, runtime: Runtime) -> Asker:
    return Asker(client, runtime)


@pytest.fixture
def alert(ask: Asker, receiver: Receiver) -> Callable[..., dict[str, Any]]:
    """`alert({"kind": …})`: an alert that tells the receiver."""

    def made(when: dict[str, Any], **more: Any) -> dict[str, Any]:
        channel = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url}, status=201)
        body = {"name": "Watch", "when": when, "to": [channel["id"]], "quiet_minutes": 0, **more}
        found: dict[str, Any] = ask("POST", "/api/alerts", body, status=201)
        return found | {"secret": channel["secret"]}

    return made


def evaluate(runtime: Runtime) -> None:
    """As if a minute had passed for every alert."""
    with runtime.database.begin() as session:
        session.execute(sa.update(Alert).values(looked_at=clock.now() - timedelta(minutes=2)))
    evaluating.evaluate(runtime)


def take(runtime: Runtime) -> Run | None:
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=["notify"], limit=1, length=runtime.settings.job_lease)
    return Run(jobs[0], HANDLERS["notify"], runtime.settings.job_lease) if jobs else None


def deliver(runtime: Runtime) -> list[Ended]:
    """Every message that is due."""
    ended = []
    while (run := take(runtime)) is not None:
        ended.append(run.work(runtime, runtime.settings.job_backoff))
    return ended


def make_due(runtime: Runtime) -> None:
    """As if the back-off of every job were over."""
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now() - timedelta(seconds=1)))


__all__ = ["Asker", "Receiver", "deliver", "evaluate", "make_due", "take"]
