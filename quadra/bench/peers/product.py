"""What the comparison asks of a product, whoever makes it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import psycopg
from psycopg import sql

from quadra.bench.peers.history import View
from quadra.bench.processes import Process
from quadra.core.errors import Misconfigured

PAGE_VIEWS, VISITORS, TOP_PAGES = "page views by day", "visitors, visits, bounces", "top pages"
RETENTION, FUNNEL = "retention by day", "funnel of two pages"
PANELS = (PAGE_VIEWS, VISITORS, TOP_PAGES, RETENTION, FUNNEL)
TOP = 10
HOST = "https://shop.example"


class Door(NamedTuple):
    """A way in, as send.mjs knows it."""

    title: str
    door: str
    size: int


class NotHere(Exception):
    """A product cannot be had on this machine; the text says why."""


class Product(Protocol):
    """One that runs, on an empty database of its own."""

    name: str
    version: str
    doors: tuple[Door, ...]
    process: Process
    dsn: str
    key: str

    def fill(self, views: Iterable[View]) -> None:
        """Give it its past."""

    def rows(self) -> int:
        """Events that are in its database."""

    def file_bytes(self) -> int:
        """What it keeps beside the database."""

    def ask(self, panel: str, start: datetime, end: datetime) -> int | None:
        """A panel of its dashboard over that range: the number that `history.truth` knows, if it is one of these."""


def dsn_of(url: str) -> str:
    """Without SQLAlchemy's name of the driver."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def count(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert found is not None
    return int(found[0])


def call(address: str, headers: Mapping[str, str], body: Any = None) -> Any:
    """GET, or POST where there is a body. Raises `Misconfigured` with what the server said."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {**headers, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:500]
        raise Misconfigured(f"{error.code} of {address.partition('?')[0]}: {said}") from error
