"""Follow the log from another process: ask which batches grew, read only those.

An event is read when the count of its batch says that it is there; counts and events are committed together. It asks the
database and no server, so it works beside any number of them, and without any.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.ingest.kinds import numbered
from quadra.ingest.tables import Batch, Event

EVERY_SECONDS = 0.5
SLACK = timedelta(minutes=2)
"""How far the clocks of two writers may be apart."""


@dataclass
class _Known:
    """A batch that was read, as far as it went then."""

    count: int
    sealed: bool
    seen: set[str] = field(default_factory=set)
    newest: datetime = clock.EPOCH


class Follower:
    """Events of one project in the order in which they came, each once."""

    def __init__(
        self,
        database: Database,
        project_id: int,
        *,
        since: datetime,
        batch_max_age: timedelta,
        kind: str | None = None,
        name: str | None = None,
    ):
        self._database = database
        self._project_id = project_id
        self._since = since
        self._opened_from = since - batch_max_age - SLACK
        self._only = [
            column == value for column, value in ((Event.kind, kind), (Event.name, name)) if value is not None
        ]
        self._known: dict[str, _Known] = {}

    def poll(self) -> Iterator[Event]:
        """What is new since the last call. Raises `Unavailable`."""
        at = clock.now()
        growing = [batch_id for batch_id, known in self._known.items() if not known.sealed]
        query = sa.select(Batch.id, Batch.status, Batch.event_count).where(
            Batch.project_id == self._project_id,
            sa.or_(Batch.opened_at >= self._opened_from, Batch.status == "OPEN", Batch.id.in_(growing)),
        )
        with self._database.read() as session:
            batches = session.execute(query.order_by(Batch.opened_at)).all()
        for batch_id, status, count in batches:
            known = self._known.setdefault(batch_id, _Known(0, False))
            if count > known.count:
                yield from self._read(batch_id, known)
            known.count, known.sealed = count, status != "OPEN"
            if known.sealed:
                known.seen.clear()  # it never changes again
        self._opened_from = max(self._opened_from, at - SLACK)
        # a sealed batch that no later look can find need not be remembered
        there = {batch_id for batch_id, _, _ in batches}
        self._known = {batch_id: known for batch_id, known in self._known.items() if batch_id in there}

    def _read(self, batch_id: str, known: _Known) -> Iterator[Event]:
        after = max(self._since, known.newest - SLACK)
        query = sa.select(Event).where(Event.batch_id == batch_id, Event.received_at >= after, *self._only)
        with self._database.read() as session:
            for event in session.scalars(query.order_by(Event.received_at, Event.event_id)):
                if event.event_id not in known.seen:
                    known.seen.add(event.event_id)
                    known.newest = max(known.newest, event.received_at)
                    yield event


def follow(follower: Follower, *, as_json: bool, forever: bool) -> None:
    """Print until it is stopped. Waits for a database that is away."""
    warned = False
    coloured = sys.stdout.isatty()
    while True:
        try:
            for event in follower.poll():
                click.echo(as_object(event) if as_json else as_line(event, coloured=coloured))
            warned = False
        except Unavailable as error:
            if not forever:
                raise
            if not warned:
                click.echo(f"{error.message} Waiting for it.", err=True)
            warned = True
        sys.stdout.flush()
        if not forever:
            return
        time.sleep(EVERY_SECONDS)


def as_line(event: Event, *, coloured: bool = False) -> str:
    """When, what, who, where, and what else is said about it."""
    at = event.occurred_at.strftime("%Y-%m-%d %H:%M:%S.") + f"{event.occurred_at.microsecond // 1000:03}"
    more = {**numbered(event.fields or {}), **(event.properties or {})}
    about = [short(event.page_url or "")]
    about += [f"{name}={short(value)}" for name, value in _columns(event) if value is not None]
    about += [f"{short(name)}={short(value)}" for name, value in more.items()]
    name = f"{short(event.name):<22}"
    if coloured:
        at, name = click.style(at, dim=True), click.style(name, bold=True)
    who = short(event.user_id or "-")
    return f"{at}  {event.kind:<8} {name} {who:<20} {' '.join(word for word in about if word)}".rstrip()


def as_object(event: Event) -> str:
    names = [column.key for column in sa.inspect(Event).columns if column.key != "project_id"]
    found: dict[str, Any] = {name: getattr(event, name) for name in names}
    for name in ("occurred_at", "received_at"):
        found[name] = clock.iso(found[name])
    return msgspec.json.encode(found).decode()


def _columns(event: Event) -> list[tuple[str, Any]]:
    return [
        ("value", event.value),
        ("duration_ms", event.duration_ms),
        ("failed", True if event.success is False else None),
        ("bot", True if event.bot else None),
    ]


def short(value: Any) -> str:
    """On one line, not too long, and without characters that would make a terminal do something."""
    if isinstance(value, float):
        value = f"{value:g}" if abs(value) < 1e6 else round(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
    return text if len(text) <= 60 else f"{text[:59]}…"
