"""Ids for imported events that have none, the same at each import of the same file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable

IN_MEMORY = 200_000
"""Different lines of which the counts take about 30 MB."""
BLOCK_BYTES = 64
"""Of SHA-256, as HMAC pads its key."""


class Ids:
    """Ids for events that have none: a keyed hash of the line and of how many identical ones preceded it.

    Keyed, since the address in a line could otherwise be found by trying all addresses. The counts of the first lines are in
    memory; those of later ones lie in a temporary SQLite database: a file may have more lines than there is memory.
    """

    def __init__(self, secret: str):
        self._digest = keyed(hashlib.sha256(f"imported:{secret}".encode()).digest())
        self._first: dict[bytes, int] = {}
        self._counts = sqlite3.connect("", isolation_level=None)
        self._counts.execute("PRAGMA journal_mode=OFF")
        self._counts.execute("CREATE TABLE seen (line BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
        self._counts.execute("BEGIN")

    def of(self, identity: bytes) -> str:
        digest = self._digest(identity)
        return self._digest(digest + self._before(digest[:16]).to_bytes(8, "big")).hex()[:40]

    def _before(self, line: bytes) -> int:
        """How many such lines there were before this one."""
        if line in self._first or len(self._first) < IN_MEMORY:
            self._first[line] = times = self._first.get(line, -1) + 1
            return times
        found = self._counts.execute(
            "INSERT INTO seen VALUES (?, 0) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times", (line,)
        ).fetchone()
        return int(found[0])

    def close(self) -> None:
        self._counts.close()


def keyed(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 with a key of at most one block. `hmac.digest` sets OpenSSL up for each message, which takes twice as long."""
    padded = key.ljust(BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return digest
