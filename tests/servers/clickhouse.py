"""ClickHouse in this process: the real engine, without a server. A process has one such database at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.available import NotAvailable, chdb


def chdb_url(directory: Path) -> str:
    try:
        chdb()
    except NotAvailable as reason:
        pytest.skip(f"ClickHouse (chdb) is not available here: {reason}")
    return f"chdb://{directory}"
