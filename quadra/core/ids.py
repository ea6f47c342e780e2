"""Identifiers that sort by time (UUID version 7, RFC 9562), made here so that no id waits for a database round trip."""

from __future__ import annotations

import os
import socket
import threading
import time

_lock = threading.Lock()
_last = [0]


def uuid7() -> str:
    """A UUIDv7 in its usual text form. Two made by one process are in order, also within a millisecond."""
    with _lock:
        # 48 bits of milliseconds and 12 bits of the fraction; a clock that stands still or steps back counts on instead
        stamp = _last[0] = max((time.time_ns() << 12) // 1_000_000, _last[0] + 1)
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = ((stamp >> 12) << 80) | (7 << 76) | ((stamp & 0xFFF) << 64) | (2 << 62) | tail
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def process_name() -> str:
    """A name that no other process and no other start has, and by which an operator finds the process: machine and id."""
    return f"{socket.gethostname()[:50]}:{os.getpid()}:{uuid7()[-12:]}"
