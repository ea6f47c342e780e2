"""How tests wait for what another process or thread does: until it is so, and long enough for a machine that stalls.

A test that passes pays nothing for the patience. Where a time is what is tested, the test says its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PATIENCE_SECONDS = 90.0
PATIENCE_MS = PATIENCE_SECONDS * 1000

T = TypeVar("T")


def eventually(
    condition: Callable[[], T],
    seconds: float = PATIENCE_SECONDS,
    describe: Callable[[], str] = lambda: "",
    every: float = 0,
) -> T:
    """Ask until the answer is true; that answer. `describe` says after waiting in vain what is the case instead.

    Without `every`, the longer it lasts the less often it asks: asking takes the processor from what is waited for.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds} s in vain; {describe()}"
        time.sleep(every or min(max(waited / 20, 0.01), 0.1))
    return found


def until_stopped(pid: int) -> None:
    """SIGSTOP has no effect yet when it is sent: a thread in the kernel or on the other processor goes on for a moment."""

    def stopped() -> bool:
        try:
            states = [
                stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")
            ]
        except OSError:  # a thread ended meanwhile
            return False
        return set(states) <= {"T", "t", "Z", "X"}

    eventually(stopped)
