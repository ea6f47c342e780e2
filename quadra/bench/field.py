"""How fast the field scores events on one core, and what a minute of signals costs. Made-up traffic, the same each time."""

from __future__ import annotations

import random
import time
from typing import Any

from quadra.field.cells import Field
from quadra.field.features import Sight, count
from quadra.field.minutes import Signals

GOAL = 100_000
"""Events scored a second by one core."""
SIZES = (100, 1_000)
NAMES = {"page": 50, "click": 18, "search": 10, "cart": 8, "checkout": 5, "purchase": 4, "signup": 2, "error": 3}
WARM = 20
SIGNALS = 6


def run(*, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Processor time, so that a busy neighbour costs nothing."""
    found = [_of_batches(size, rounds, seconds, learns) for size in SIZES for learns in (False, True)]
    return [*found, _of_minutes(rounds, seconds)]


def _of_batches(size: int, rounds: int, seconds: float, learns: bool) -> dict[str, Any]:
    source, field = random.Random(size), Field(256, 1, 0.98)
    batches = [batch(source, size, number * 450) for number in range(WARM)]
    for events in batches:
        read(field, events, learns=True)
    rates = []
    for _ in range(rounds):
        done, began = 0, time.process_time()
        while time.process_time() - began < seconds / 4:
            read(field, batches[done % WARM], learns=learns)
            done += 1
        rates.append(done * size / (time.process_time() - began))
    what = "scored and learned" if learns else "scored"
    return {"name": f"events {what}, {size:,} a batch", "per_second": round(sorted(rates)[rounds // 2]), "goal": GOAL}


def read(field: Field, events: list[Sight], *, learns: bool) -> None:
    came = field.came(count(events))
    reading = field.score(came)
    if learns:
        field.learn(came, reading)


def batch(source: random.Random, size: int, start: float) -> list[Sight]:
    names, weights, at, found = list(NAMES), list(NAMES.values()), start, []
    for _ in range(size):
        at += source.expovariate(1 / 3)
        page = f"https://shop.example/p{int(source.paretovariate(1)) % 30}"
        found.append(Sight(source.choices(names, weights)[0], page, f"s{source.randrange(size // 6)}", int(at * 1e6)))
    return found


def _of_minutes(rounds: int, seconds: float) -> dict[str, Any]:
    """All signals of a project, with a past of two days."""
    source, signals = random.Random(1), Signals(29_000_000)
    for _ in range(2_880):
        signals.judge({f"s{number}": source.gauss(100, 10) for number in range(SIGNALS)})
    rates = []
    for _ in range(rounds):
        done, began = 0, time.process_time()
        while time.process_time() - began < seconds / 4:
            signals.judge({f"s{number}": source.gauss(100, 10) for number in range(SIGNALS)})
            done += 1
        rates.append(done / (time.process_time() - began))
    return {"name": f"minutes of {SIGNALS} signals", "per_second": round(sorted(rates)[rounds // 2]), "goal": None}
