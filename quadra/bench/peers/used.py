"""What a product and its database use: processor time and memory of whole process trees, bytes on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil
import psycopg

IDLE_CORES = 0.1
SETTLE_SECONDS = 60


class Trees(NamedTuple):
    """The roots of what is measured."""

    product: int
    database: int


class Cpu(NamedTuple):
    """Seconds of processor time so far."""

    product: float
    database: float

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.product - before.product, self.database - before.database)


def cpu(trees: Trees) -> Cpu:
    return Cpu(_cpu_of(trees.product), _cpu_of(trees.database))


def _cpu_of(root: int) -> float:
    """Children that have ended count where their parent has fetched them, as PostgreSQL does with its backends."""
    found = 0.0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            found += sum(process.cpu_times()[:4])  # of itself, then of its ended children
    return found


def memory_mb(root: int) -> float:
    """Memory that several processes share counts once, by halves, thirds, and so on (PSS)."""
    found = 0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            full = process.memory_full_info()
            found += getattr(full, "pss", full.rss)
    return round(found / 2**20, 1)


def _tree(root: int) -> Iterator[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        yield process
        yield from process.children(recursive=True)


def settle(trees: Trees) -> bool:
    """Wait until both have done what they put off. False when they still work after a minute."""
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        before = cpu(trees)
        time.sleep(1)
        if sum(cpu(trees).since(before)) < IDLE_CORES:
            return True
    return False


def database_bytes(dsn: str) -> int:
    """After a VACUUM, so that what is free inside the files is known and plans are good."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None
    return int(found[0])
