"""How long whole lenses take over a history that is compacted, as a page waits for them."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from quadra.accounts.projects import create_project
from quadra.bench.warehouse import ask_lenses, make_history
from quadra.core import migrate
from quadra.core.runtime import build
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.core.typed import Typed

EVENTS = 1_000_000
DAYS = 30


class Lens(msgspec.Struct):
    median_ms: float
    first_ms: float
    cpu_ms: float


class History(msgspec.Struct):
    events: int
    bytes_per_event: float


class Lenses(msgspec.Struct):
    """What was asked -> how long it took."""

    machine: dict[str, Any]
    days: int
    history: History
    lenses: dict[str, Lens]


HISTORY, LENSES = Typed(History), Typed(dict[str, Lens])


def run(machine: dict[str, Any], *, rounds: int, events: int = EVENTS, days: int = DAYS) -> Lenses:
    with tempfile.TemporaryDirectory(prefix="quadra-bench-") as directory:
        data = Path(directory)
        runtime = build(load(data_dir=data, database_url=sqlite_url(data / "bench.db"), query_timeout="10m"))
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            create_project(session, name="Bench")
        with closing(runtime):
            history = make_history(runtime, events=events, days=days)
            asked = ask_lenses(runtime, days=days + 1, rounds=rounds)
        return Lenses(machine, days, HISTORY.convert(history), LENSES.convert(asked))
