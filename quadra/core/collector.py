"""The garbage collector, kept from looking again and again at what stays until the process ends."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared_while_importing() -> Iterator[None]:
    """Modules stay. Looking through them while more are imported is a sixth of the time that a command takes to start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        _leave_alone()


def spare() -> None:
    """Take what is loaded by now out of the collector's rounds: looking through all of it stopped every thread for 70 to
    140 ms now and then.
    """
    gc.collect()
    _leave_alone()


def _leave_alone() -> None:
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # libraries look at the end whether all of theirs was collected
    gc.freeze()
