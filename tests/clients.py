"""How tests talk to a running Quadra: plain HTTP, raw bytes, the official Socket.IO client; and what is in its database."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import Any

import socketio
import sqlalchemy as sa

from quadra.core.database import Database
from tests.servers.quadra import QuadraProcess
from tests.waiting import PATIENCE_SECONDS, eventually

_numbers = itertools.count(1)


@dataclass
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error, which has one shape everywhere."""
        error = self.json["error"]
        assert set(error) == {"code", "message", "fields", "request_id"}, error
        assert error["request_id"] == self.headers["X-Request-ID"]
        assert error["message"]
        return str(error["code"])


def send(
    quadra: QuadraProcess,
    path: str = "/api/events",
    body: Any = None,
    *,
    key: str | None = "",
    method: str = "POST",
    timeout: float = PATIENCE_SECONDS,
    **headers: str,
) -> Answer:
    """One request. `key` is the write key unless given; None sends none. `body` is JSON unless it is bytes.

    Headers are written `Content_Type="…"`.
    """
    wanted = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        wanted["X-Quadra-Key"] = key or quadra.init["write_key"]
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", quadra.port, timeout=timeout)
    try:
        connection.request(method, path, raw, wanted)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def make_project(quadra: QuadraProcess, **fields: Any) -> dict[str, str]:
    """A project without events: {"slug", "write"}, its write key."""
    name = f"Project {next(_numbers)} {time.time_ns()}"
    answer = send(quadra, "/api/projects", {"name": name, **fields}, key=None, Authorization=_admin(quadra))
    assert answer.status in (200, 201), answer.body
    made = answer.json
    slug = made["project"] if isinstance(made["project"], str) else made["project"]["slug"]
    return {"slug": slug, "write": made["write_key"]}


def make_key(quadra: QuadraProcess, scope: str, project: str = "default", **fields: Any) -> dict[str, Any]:
    """What the server says of a new key, its plain text under "key"."""
    body = {"project": project, "scope": scope, **fields}
    answer = send(quadra, "/api/keys", body, key=None, Authorization=_admin(quadra))
    assert answer.status in (200, 201), answer.body
    found: dict[str, Any] = answer.json
    return found


def _admin(quadra: QuadraProcess) -> str:
    return f"Bearer {quadra.init['admin_key']}"


def send_raw(quadra: QuadraProcess, request: bytes, seconds: float = PATIENCE_SECONDS) -> bytes:
    """Bytes as no HTTP library would send them; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", quadra.port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionResetError):
            return answer
    return answer


def event_id(name: str = "e") -> str:
    return f"{name}-{next(_numbers)}-{time.time_ns()}"


def event(**fields: Any) -> dict[str, Any]:
    """An event that every door takes."""
    return {"eventId": event_id(), "eventType": "clicked", "userId": "u1", **fields}


class PlainPacket(socketio.packet.Packet):
    """The client's own JSON. A server in the same process would otherwise lend it its bounds: the library keeps one for both."""

    json = json


class SocketClient:
    """The official client, which notes what it hears besides acknowledgements."""

    def __init__(self, url: str, namespace: str, names: tuple[str, ...], **options: Any):
        self.namespace = namespace
        self.heard: list[tuple[str, Any]] = []
        self.io = socketio.Client(serializer=PlainPacket, **options)
        self._transports: list[Any] = []
        self.io.on("connect", self._remember, namespace=namespace)
        for name in names:
            self.io.on(name, lambda payload, name=name: self.heard.append((name, payload)), namespace=namespace)
        self._url = url

    def connect(self, auth: Any, transports: tuple[str, ...], headers: dict[str, str] | None = None) -> None:
        self.io.connect(
            self._url,
            auth=auth,
            transports=list(transports),
            namespaces=[self.namespace],
            headers=headers or {},
            wait_timeout=int(PATIENCE_SECONDS),
        )

    def close(self) -> None:
        """Leave, and close what the library leaves open when a server goes away."""
        self.io.shutdown()
        for transport in self._transports:
            transport.close()

    def _remember(self) -> None:
        eio = self.io.eio
        self._transports.append(eio.ws.sock if eio.current_transport == "websocket" else eio.http)

    def call(self, name: str, payload: Any = None, timeout: float = PATIENCE_SECONDS) -> Any:
        return self.io.call(name, payload, namespace=self.namespace, timeout=timeout)

    def emit(self, name: str, payload: Any = None, callback: Callable[..., None] | None = None) -> None:
        self.io.emit(name, payload, namespace=self.namespace, callback=callback)

    def wait_for(self, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
        eventually(condition, seconds, lambda: f"heard: {self.heard[-5:]}")

    def payloads(self, name: str) -> list[Any]:
        return [payload for heard, payload in list(self.heard) if heard == name]


@contextmanager
def connected(
    quadra: QuadraProcess,
    *,
    auth: Any = None,
    namespace: str = "/",
    names: tuple[str, ...] = ("event:ack", "event:error"),
    transports: tuple[str, ...] = ("websocket",),
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Iterator[SocketClient]:
    """A connected client; with the write key unless `auth` is given."""
    defaults = {"reconnection": False, "websocket_extra_options": {"suppress_origin": True}}  # `headers` may name one
    client = SocketClient(quadra.base_url, namespace, names, **{**defaults, **options})
    try:
        client.connect({"key": quadra.init["write_key"]} if auth is None else auth, transports, headers)
        yield client
    finally:
        client.close()


@contextmanager
def database_of(quadra: QuadraProcess) -> Iterator[Database]:
    """The database of a running Quadra, seen from here."""
    url = quadra._extra.get("DATABASE_URL") or f"sqlite:///{quadra.directory / 'data' / 'quadra.db'}"
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def stored_ids(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT event_id FROM event")).scalars())


def assert_counts_are_rows(database: Database) -> int:
    """Every event lies in a batch of its own project, and every batch holds exactly what it counts. The events."""
    with database.engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT batch_id, project_id, count(*) FROM event GROUP BY batch_id, project_id")
        )
        held = {batch_id: (project_id, count) for batch_id, project_id, count in rows}
        batches = connection.execute(sa.text("SELECT id, project_id, event_count FROM batch"))
        counted = {batch_id: (project_id, count) for batch_id, project_id, count in batches}
    assert held == counted
    return sum(count for _, count in held.values())
