"""`quadra recover`: look at what is there, repair only what is broken, say what was found and done and how long it took.

A database that is sound is never replaced, whatever else is wrong; what is damaged is moved aside, never deleted. Running it
again is harmless: on a sound installation it changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from quadra.backup.recover import database as recover_database
from quadra.backup.recover import rest as recover_rest
from quadra.backup.recover.context import Recovery, Stuck
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime


@dataclass(frozen=True)
class Step:
    name: str
    ok: bool
    message: str
    seconds: float
    changed: bool


@dataclass
class Report:
    ok: bool = True
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0

    @property
    def changed(self) -> list[str]:
        return [step.name for step in self.steps if step.changed]


STEPS: tuple[tuple[str, Callable[[Recovery], str]], ...] = (
    ("look", recover_database.look),
    ("database", recover_database.repair),
    ("schema", recover_database.migrate_schema),
    ("segments", recover_rest.fetch_segments),
    ("models", recover_rest.fetch_models),
    ("erasures", recover_rest.repeat_erasures),
    ("redis", recover_rest.ask_redis),
    ("backups", recover_rest.ask_backups),
    ("count", recover_rest.count_events),
    ("start", recover_rest.start),
)
"""In order. A step says what it found and did, notes in `changes` what it changed, and raises what it could not mend."""


def recover(runtime: Runtime, tell: Callable[[Step], object], *, start: bool = True) -> Report:
    """Every step, each told as it ends. Where the database cannot be brought back, the steps after it are left out."""
    recovery, report, began = Recovery(runtime, may_start=start), Report(), time.monotonic()
    for name, step in STEPS:
        at, before = time.monotonic(), len(recovery.changes)
        stuck = False
        try:
            ok, message = True, step(recovery)
        except Stuck as error:
            ok, message, stuck = False, str(error), True
        except QuadraError as error:
            ok, message = False, error.message
        done = Step(name, ok, message, round(time.monotonic() - at, 3), len(recovery.changes) > before)
        report.steps.append(done)
        report.ok = report.ok and ok
        tell(done)
        if stuck:
            break
    report.seconds = round(time.monotonic() - began, 3)
    return report
