"""The pieces of work that `quadra bench --iterations` times, by suite. A new piece is a line in its suite.

Those of the database, ingest and lenses run on a SQLite database of their own, in a directory that is thrown away.
"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import orjson
import sqlalchemy as sa

from quadra.accounts.projects import create_project, get_project
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.bench import field as field_bench
from quadra.bench.suite import BenchmarkSuite, Work
from quadra.bench.warehouse import LENSES, make_history
from quadra.core import clock, migrate
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.field.cells import Field
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.doors.many import read_many
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch, Event
from quadra.warehouse.query.engine import warehouse_of

EVENTS = 100
"""Of a request, and of a batch."""
HISTORY_EVENTS, HISTORY_DAYS = 100_000, 10
ASKED = ("trends", "trends, people", "retention by day", "sessions", "paths", "funnel, ordered", "visits", "overview")

Pieces = Iterator[tuple[str, Work]]


def numpy(_runtime: Runtime) -> Pieces:
    source = np.random.default_rng(1)
    square, line = source.random((200, 200)), source.random(100_000)
    yield "product of two matrices of 200 x 200", lambda: square @ square
    yield "sort 100,000 numbers", lambda: np.sort(line)
    yield "percentiles of 100,000 numbers", lambda: np.percentile(line, (50, 95, 99))


def json_text(_runtime: Runtime) -> Pieces:
    events = [_event(number) for number in range(EVENTS)]
    text = orjson.dumps(events)
    yield "write 100 events, standard library", lambda: json.dumps(events)
    yield "write 100 events, msgspec", lambda: msgspec.json.encode(events)
    yield "read 100 events, standard library", lambda: json.loads(text)
    yield "read 100 events, orjson", lambda: orjson.loads(text)
    yield "read 100 events as Quadra does", lambda: read_many(text)


def field(_runtime: Runtime) -> Pieces:
    source, learned = random.Random(1), Field(256, 1, 0.98)
    batches = [field_bench.batch(source, EVENTS, number * 450) for number in range(field_bench.WARM)]
    for events in batches:
        field_bench.read(learned, events, learns=True)
    yield "score 100 events", lambda: field_bench.read(learned, batches[0], learns=False)
    yield "score and learn 100 events", lambda: field_bench.read(learned, batches[0], learns=True)


def database(runtime: Runtime) -> Pieces:
    log = Log(runtime.database, writer="bench-database", batch_max_events=10_000)
    numbers = itertools.count()
    yield "store 1 event", lambda: log.append(_rows("one", numbers, 1))
    yield "store 100 events in one transaction", lambda: log.append(_rows("many", numbers, EVENTS))

    def newest() -> object:
        with runtime.database.read() as session:
            return session.scalars(sa.select(Event).order_by(Event.received_at.desc()).limit(EVENTS)).all()

    def batches() -> object:
        with runtime.database.read() as session:
            return session.execute(sa.select(Batch.status, sa.func.count()).group_by(Batch.status)).all()

    yield "read the newest 100 events", newest
    yield "count batches by state", batches


def ingest(runtime: Runtime) -> Pieces:
    sender, numbers = Sender(project_id=1, door="http"), itertools.count()
    log = Log(runtime.database, writer="bench-ingest", batch_max_events=EVENTS)

    def accepted() -> list[Row]:
        now = clock.now_us()
        text = msgspec.json.encode([_event(next(numbers)) for _ in range(EVENTS)])
        return [accept(wire, sender, now) for wire in read_many(text)]

    yield "accept 100 events", accepted
    yield "accept and store 100 events, and seal their batch", lambda: log.append(accepted())


def lenses(runtime: Runtime) -> Pieces:
    make_history(runtime, events=HISTORY_EVENTS, days=HISTORY_DAYS)
    with runtime.database.read() as session:
        project = get_project(session, "bench")

    def ask(title: str) -> object:
        lens, params = LENSES[title]
        return lens_of(lens).ask(runtime, read_asked(lens, {"days": HISTORY_DAYS + 1, **params}, project))

    for title in ASKED:
        yield f"{title}, over {HISTORY_EVENTS:,} events", lambda title=title: ask(title)  # type: ignore[misc]


SUITES: dict[str, Callable[[Runtime], Pieces]] = {
    "NumPy": numpy,
    "JSON": json_text,
    "field": field,
    "database": database,
    "ingest": ingest,
    "lenses": lenses,
}


def run(suite: BenchmarkSuite, names: Sequence[str], say: Callable[[str], object]) -> None:
    """Measure those suites."""
    with _runtime() as runtime:
        for name in names or SUITES:
            say(f"{name} …")
            for title, work in SUITES[name](runtime):
                suite.run_benchmark(title, work, suite=name)


@contextmanager
def _runtime() -> Iterator[Runtime]:
    with tempfile.TemporaryDirectory(prefix="quadra-bench-") as directory:
        data = Path(directory)
        runtime = build(load(data_dir=data, database_url=sqlite_url(data / "bench.db")))
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            create_project(session, name="Bench")
        with closing(warehouse_of(runtime)):
            try:
                yield runtime
            finally:
                runtime.database.dispose()


def _event(number: int) -> dict[str, object]:
    return {
        "event_id": f"bench-{number}",
        "event_type": "opened",
        "user_id": f"user-{number % 50}",
        "session_id": f"session-{number % 50}",
        "page_url": f"https://shop.example/p/{number % 30}",
        "properties": {"plan": "pro", "amount": number % 1000},
    }


def _rows(prefix: str, numbers: Iterator[int], count: int) -> list[Row]:
    now = clock.now_us()
    return [Row(1, f"{prefix}-{next(numbers)}", "event", "opened", "opened", now, now) for _ in range(count)]
