"""A connection to ClickHouse, and the table of events there.

Rows of one event are the same row: the table is sorted by project, day, person and event id, and ClickHouse keeps one of equal
keys (`ReplacingMergeTree`, seen by `FINAL`). So sending rows again changes no answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from quadra.warehouse.columns import KINDS, OUTSIDE, schema

TABLE = "events"
CONNECT_SECONDS, ANSWER_SECONDS = 5, 30
TOKENS_KEPT = 10_000
"""Inserts whose token is remembered: one that is repeated within them is taken for the same and dropped at once."""
TYPES = {"VARCHAR": "String", "TIMESTAMPTZ": "DateTime64(6, 'UTC')", "DOUBLE": "Float64", "BOOLEAN": "Bool"}
INSIDE = dict(OUTSIDE)


def connect(url: str) -> Client:
    """Raises what the library raises when the server does not answer."""
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        return clickhouse_connect.get_client(dsn=url)
    secure = parts.scheme in ("clickhouses", "https")
    return clickhouse_connect.get_client(
        dsn=urlunsplit(parts._replace(scheme="https" if secure else "http")),
        secure=secure,
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        autogenerate_session_id=False,  # statements of one client may run side by side
    )


def create_table(client: Client) -> None:
    """The database in the address exists. A column that came later is added to a table that is there."""
    columns = [("project", "String"), *((name, type_of(inside)) for name, inside in INSIDE.items())]
    listed = ", ".join(f"`{name}` {kind}" for name, kind in columns)
    client.command(
        f"CREATE TABLE IF NOT EXISTS {TABLE} ({listed}) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(occurred_at) "
        "ORDER BY (project, toDate(occurred_at), ifNull(user_id, ''), event_id) "
        f"SETTINGS non_replicated_deduplication_window = {TOKENS_KEPT}"
    )
    for name, kind in columns:
        client.command(f"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS `{name}` {kind}")


def type_of(column: str) -> str:
    kind = TYPES[KINDS[column]]
    return f"Nullable({kind})" if schema().field(column).nullable else kind


def insert(client: Client, project: str, events: pa.Table, token: str) -> None:
    """Rows of `warehouse.columns.schema`. The same token is the same rows, for as long as it is remembered."""
    given = {"project": pa.array([project] * events.num_rows, pa.string())}
    given |= {name: events[inside] for name, inside in INSIDE.items()}
    settings: dict[str, Any] = {
        "insert_deduplication_token": token,
        "insert_deduplicate": 1,
        "max_partitions_per_insert_block": 0,  # an import may hold years
    }
    client.insert_arrow(TABLE, pa.table(given), settings=settings)
