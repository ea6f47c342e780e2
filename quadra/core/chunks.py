"""A request body in chunks (RFC 9112, 7.1), for both servers: what they read themselves has no bounds.

A length of any number of digits, a line without end, or a million chunks of one byte held the event loop or its memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from quadra.core.errors import Invalid

LENGTH = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
LONGEST_LINE = 1_024
MOST_TRAILERS = 100
PIECE = 64 * 1024
TURN = 64
"""Chunks after which others get their turn."""


class Chunks:
    """Reads from `rfile`, the buffered connection."""

    def __init__(self, rfile: Any, breathe: Callable[[], None]):
        self._rfile = rfile
        self._breathe = breathe
        self._left = 0
        self._count = 0
        self.ended = False
        self.broken = False

    def read(self, size: int | None = None) -> bytes:
        """At most `size` bytes, fewer only where the body ends. Raises `Invalid`."""
        wanted = -1 if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted and not self.ended:
            if not self._left:
                self._begin()
                continue
            part = self._rfile.read(min(self._left, PIECE, *([wanted] if wanted > 0 else [])))
            if not part:
                raise self._wrong("it ended early")
            parts.append(part)
            self._left -= len(part)
            wanted -= len(part) if wanted > 0 else 0
            if not self._left and self._rfile.readline(3) not in (b"\r\n", b"\n"):
                raise self._wrong("a chunk is longer than it says")
        return b"".join(parts)

    def _begin(self) -> None:
        self._count += 1
        if self._count % TURN == 0:
            self._breathe()
        found = LENGTH.fullmatch(self._rfile.readline(LONGEST_LINE))
        if found is None:
            raise self._wrong("a chunk's length is no hexadecimal number")
        self._left = int(found[1], 16)
        if not self._left:
            self._end()

    def _end(self) -> None:
        for _ in range(MOST_TRAILERS):
            line = self._rfile.readline(LONGEST_LINE)
            if line in (b"\r\n", b"\n"):
                self.ended = True
                return
            if not line.endswith(b"\n"):
                break
        raise self._wrong("it does not end")

    def _wrong(self, what: str) -> Invalid:
        self.broken = self.ended = True
        return Invalid(f"The body is not in chunks as HTTP has them: {what}.", code="chunks")
