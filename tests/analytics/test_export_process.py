"""The export over the wire of a real Quadra: bounded memory whatever the history, and readers who leave."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psutil
import pytest

from quadra.bench.warehouse import make_history
from quadra.core.runtime import build
from quadra.core.settings import load
from quadra.warehouse.query.engine import EXPORTS_AT_ONCE, warehouse_of
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

EVENTS, DAYS = 300_000, 4


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"), cold=True)) as process:
        data = process.directory / "data"
        runtime = build(load(data_dir=data, database_url=f"sqlite:///{data / 'quadra.db'}"))
        with closing(warehouse_of(runtime)):
            make_history(runtime, events=EVENTS, days=DAYS)
        runtime.database.dispose()
        yield process


@contextmanager
def export(quadra: QuadraProcess, form: str, days: int = DAYS + 2) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("127.0.0.1", quadra.port, timeout=60)) as connection:
        headers = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
        connection.request("GET", f"/api/analytics/export?format={form}&days={days}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        yield answer


@contextmanager
def most_memory(pid: int) -> Iterator[list[int]]:
    """The growth of a process, in bytes, at its most."""
    process, found, done = psutil.Process(pid), [0], threading.Event()
    before = process.memory_info().rss

    def look() -> None:
        while not done.wait(0.02):
            found[0] = max(found[0], process.memory_info().rss - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def test_an_export_is_made_as_it_is_sent_and_never_whole_in_memory(quadra: QuadraProcess) -> None:
    with export(quadra, "csv", days=1) as answer:  # pays for libraries, which are loaded at their first use
        answer.read()
    for form in ("csv", "ndjson", "parquet"):  # the first of them pays for what DuckDB works in
        with most_memory(quadra.pid) as growth, export(quadra, form) as answer:
            size = lines = 0
            while piece := answer.read(2**20):
                size += len(piece)
                lines += piece.count(b"\n")
        if form != "parquet":
            assert lines == EVENTS + (form == "csv")
            assert size > 100_000_000
        assert growth[0] < 150 * 2**20, f"{form}: {growth[0] / 2**20:.0f} MB for {size / 2**20:.0f} MB"


def test_readers_who_leave_stop_the_export(quadra: QuadraProcess) -> None:
    for form in ("ndjson", "parquet") * EXPORTS_AT_ONCE:
        with export(quadra, form) as answer:
            answer.read(1_000)
    for _ in range(EXPORTS_AT_ONCE):  # in 5 s each would be refused if the turns had not come back
        with export(quadra, "json", days=2) as answer:  # today has none yet
            rows = json.loads(answer.read())
            assert len(rows) == EVENTS // DAYS
            assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
    left = list((quadra.directory / "data" / "spill").glob("export-*"))
    assert left == []


def test_the_event_loop_goes_on_while_an_export_waits_for_its_reader(quadra: QuadraProcess) -> None:
    with export(quadra, "ndjson") as answer:
        answer.read(1_000)
        for _ in range(5):
            began = time.monotonic()
            with closing(http.client.HTTPConnection("127.0.0.1", quadra.port, timeout=90)) as connection:
                connection.request("GET", "/health")
                assert connection.getresponse().status == 200
            assert time.monotonic() - began < 60
