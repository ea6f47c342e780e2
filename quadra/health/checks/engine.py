"""Which engine answers questions, and that it does. DuckDB is a part of every process; a server may be away."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec
from urllib.parse import urlsplit

from quadra.health.context import CheckContext
from quadra.health.verdict import Found, check, healthy, unhealthy

SERVER = "quadra.warehouse.clickhouse.server"
LIBRARIES = ("clickhouse_connect", "sqlglot")


@check("analysis", seconds=8, keep_seconds=60)
def engine(context: CheckContext) -> Found:
    """The library of a server's client is optional: it is imported only here, where the settings name a server."""
    url = context.runtime.settings.warehouse_url
    if not url:
        return healthy("DuckDB answers questions, in this process.", engine="duckdb")
    if any(find_spec(name) is None for name in LIBRARIES):
        return unhealthy(
            "QUADRA_WAREHOUSE_URL is set and its library is not installed. Next: pip install 'quadra[clickhouse]'.",
            engine="clickhouse",
        )
    if url.startswith("chdb:"):
        return healthy("ClickHouse (chdb) answers questions, in the web process; DuckDB in all others.", engine="chdb")
    began = time.monotonic()
    try:
        client = import_module(SERVER).connect(url)
        version = client.server_version
        client.close()
    except Exception as error:  # of whatever kind its library makes it
        return unhealthy(f"ClickHouse (QUADRA_WAREHOUSE_URL) does not answer: {error}"[:500], engine="clickhouse")
    ms = round((time.monotonic() - began) * 1000, 1)
    return healthy(
        f"ClickHouse {version} at {urlsplit(url).hostname} answers questions: {ms:g} ms.", engine="clickhouse"
    )
