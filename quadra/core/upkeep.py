"""What workers do again and again, beside jobs. A room lists its own in its `upkeep.py`, and `quadra/worker.py` lists rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from quadra.core.runtime import Runtime
from quadra.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Upkeep:
    name: str
    every: Callable[[Settings], timedelta]
    tick: Callable[[Runtime], object]
    """One look, and what is to be done. It blocks and has a thread of its own in every worker, so several run at once: each
    row is changed by one conditional update, which skips rows that others hold (`core/locks.py`). May raise `Unavailable`."""
