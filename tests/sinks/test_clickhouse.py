"""ClickHouse, the real engine in this process (chdb): the table, repeats, the deduplication token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quadra.core import clock
from quadra.sinks.registry import SINKS
from quadra.sinks.verbs import replay
from quadra.warehouse.columns import schema
from tests.servers.clickhouse import chdb_url
from tests.sinks.conftest import Make, do, seal, state


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return chdb_url(tmp_path_factory.mktemp("chdb"))


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    server = pytest.importorskip("quadra.warehouse.clickhouse.server")
    client = server.connect(url)
    yield client
    client.command("TRUNCATE TABLE IF EXISTS events")
    client.close()


def ids(client: Any, final: str = "FINAL") -> list[str]:
    return [row[0] for row in client.query(f"SELECT event_id FROM events {final} ORDER BY received_at").result_rows]


def test_each_event_is_a_row_in_the_table_of_its_project(url: str, client: Any, make: Make) -> None:
    runtime = make(clickhouse_url=url)
    sent = seal(runtime, *"abc", user_id="u1") + seal(runtime, "d")
    ended = do(runtime, "clickhouse")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    assert ids(client) == sent
    rows = client.query("SELECT project, event_name, user_id, bot FROM events ORDER BY received_at").result_rows
    assert rows == [
        ("shop", "a", "u1", False),
        ("shop", "b", "u1", False),
        ("shop", "c", "u1", False),
        ("shop", "d", None, False),
    ]
    (engine,) = client.query(
        "SELECT engine FROM system.tables WHERE name = 'events' AND database = currentDatabase()"
    ).result_rows
    assert engine == ("ReplacingMergeTree",)
    assert state(runtime, "clickhouse").delivered_events == 4


def test_a_replay_changes_nothing_there(url: str, client: Any, make: Make) -> None:
    runtime = make(clickhouse_url=url)
    sent = seal(runtime, *"abc")
    do(runtime, "clickhouse")
    (sink,) = (one for one in SINKS if one.name == "clickhouse")
    at = clock.now()
    assert replay(runtime.database, sink, start=at - timedelta(hours=1), end=at) == 1
    assert do(runtime, "clickhouse") is not None
    assert ids(client, final="") == sent
    assert state(runtime, "clickhouse").delivered_events == 6


def test_a_batch_that_comes_again_is_dropped_by_its_token_even_where_rows_were_erased_meanwhile(
    url: str, client: Any
) -> None:
    """Without the token a block is told by its rows alone, and this one would be another."""
    server = pytest.importorskip("quadra.warehouse.clickhouse.server")
    server.create_table(client)
    at = clock.now()
    columns: dict[str, Any] = {name: [None, None] for name in schema().names}
    columns |= {"kind": ["event"] * 2, "name": ["a"] * 2, "event_type": ["a"] * 2, "batch_id": ["b"] * 2}
    columns |= {"event_id": ["t1", "t2"], "bot": [False] * 2, "occurred_at": [at] * 2, "received_at": [at] * 2}
    rows = pa.table(columns, schema=schema())
    server.insert(client, "tokens", rows, "batch-1")
    server.insert(client, "tokens", rows.slice(0, 1), "batch-1")
    assert client.query("SELECT count() FROM events WHERE project = 'tokens'").result_rows == [(2,)]
    server.insert(client, "tokens", rows.slice(0, 1), "batch-2")
    assert client.query("SELECT count() FROM events WHERE project = 'tokens'").result_rows == [(3,)]
    assert client.query("SELECT count() FROM events FINAL WHERE project = 'tokens'").result_rows == [(2,)]


def test_a_table_from_before_gets_the_columns_that_came_later(
    url: str, client: Any, tmp_path: Path, make: Make
) -> None:
    client.command("DROP TABLE IF EXISTS events SYNC")
    make_table = pytest.importorskip("quadra.warehouse.clickhouse.server").create_table
    make_table(client)
    client.command("ALTER TABLE events DROP COLUMN duration_ms")
    runtime = make(clickhouse_url=url)
    seal(runtime, "a", duration_ms=5.0)
    ended = do(runtime, "clickhouse")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    assert client.query("SELECT duration_ms FROM events").result_rows == [(5.0,)]
