"""A process that has grown and has nothing to do starts anew in its place, so that its memory goes back to the system.

Neither freeing nor trimming gives back what DuckDB, PyArrow and the heap hold once there was work, and libraries stay loaded.
The process keeps its id, its parent, its output and its environment, so whoever watches it sees one that goes on. A start costs
a second of processor time: hence the rest before it and the time between two.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from quadra.core.observing import logs

GROWN_MB = 48
REST_SECONDS = 90.0
APART_SECONDS = 300.0
STATM = Path("/proc/self/statm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Renewal:
    """Says when it is time. `again`: this process was started so itself, a moment ago."""

    def __init__(self, *, again: bool, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._memory = memory_bytes()
        self._busy_at = clock()
        self._not_before = clock() + (APART_SECONDS if again else 0.0)

    def due(self, *, busy: bool) -> bool:
        """Asked every second or so."""
        now = self._clock()
        if busy:
            self._busy_at = now
        if now < max(self._not_before, self._busy_at + REST_SECONDS):
            return False
        return memory_bytes() - self._memory > GROWN_MB * 2**20


def memory_bytes() -> int:
    """0 where the system does not say: then nothing ever grows."""
    try:
        return int(STATM.read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def start_anew(words: Sequence[str]) -> NoReturn:
    """Be `quadra <words>`. Files and sockets that Python opened close by themselves."""
    logs.shut_down()  # lines wait for a thread that does not come along
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "quadra", *words])
