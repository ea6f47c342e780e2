"""Who comes to the demo's shop, on which day and at what time. Pure: the same seed and day give the same people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from quadra.demo import shop

FIRST_DAY = date(2020, 1, 1)
LOYALTY_DAYS = 45
"""Nobody comes back after more than this."""
NEW = 0.55
"""The part of all visits that are somebody's first."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who comes to the shop, the same at every visit."""

    id: str
    user_id: str | None
    agent: str
    source: str
    country: str | None
    language: str
    screen: str

    @property
    def identity(self) -> dict[str, Any]:
        return {"anonymous_id": self.id, **({"user_id": self.user_id} if self.user_id else {})}


def visitor_of(seed: int, first_day: date, number: int) -> Visitor:
    """The visitor who came first on that day as the so-and-so-many-eth."""
    name = f"{first_day:%y%m%d}-{number}"
    odds = Random(f"{seed}:visitor:{name}")
    registered = odds.random() < 0.4
    return Visitor(
        id=f"visitor-{name}",
        user_id=f"{odds.choice(shop.FIRST_NAMES)}-{name}" if registered else None,
        agent=drawn(odds, shop.BOTS if odds.random() < 0.03 else shop.AGENTS),
        source=drawn(odds, shop.SOURCES),
        country=(country := drawn(odds, shop.COUNTRIES)) or None,
        language=shop.LANGUAGES.get(country, shop.LANGUAGE),
        screen=drawn(odds, shop.SCREENS),
    )


def visits_on(seed: int, day: date) -> int:
    """How many visits a day has: growing slowly, weekends weaker, no two days alike."""
    odds = Random(f"{seed}:day:{day}")
    growth = 1 + 0.002 * max(0, (day - FIRST_DAY).days)
    return round(120 * math.sqrt(growth) * shop.WEEKDAYS[day.weekday()] * odds.uniform(0.85, 1.15))


@lru_cache(maxsize=2 * LOYALTY_DAYS)
def newcomers(seed: int, day: date) -> list[int]:
    """Those visits of a day that are somebody's first, by their numbers."""
    odds = Random(f"{seed}:newcomers:{day}")
    return [number for number in range(visits_on(seed, day)) if odds.random() < NEW] or [0]


def who_comes(seed: int, day: date, number: int) -> Visitor:
    """Whose visit is the so-and-so-many-eth of that day."""
    if number in newcomers(seed, day):
        return visitor_of(seed, day, number)
    return returning(seed, day, Random(f"{seed}:returning:{day}:{number}"))


def returning(seed: int, day: date, odds: Random) -> Visitor:
    """Somebody who was here before: the sooner the likelier, and some far more often than others."""
    before = day - timedelta(days=min(LOYALTY_DAYS, 1 + int(odds.expovariate(1 / 7))))
    known = newcomers(seed, before)
    return visitor_of(seed, before, known[int(len(known) * odds.random() ** 2)])


def second_of_day(odds: Random) -> float:
    """When on a day somebody comes: few at night, most in the evening."""
    while True:
        hour = odds.uniform(0, 24)
        if odds.random() < rhythm(hour):
            return hour * 3600


def rhythm(hour: float) -> float:
    """How busy an hour is, from 0.06 at four in the morning to 1 at eight in the evening."""
    noon = math.exp(-((hour - 12.5) ** 2) / 18)
    evening = math.exp(-(min(abs(hour - 20), 24 - abs(hour - 20)) ** 2) / 8)
    return min(1.0, 0.06 + 0.6 * noon + 0.9 * evening)


def drawn(odds: Random, weighted: tuple[tuple[str, float], ...]) -> str:
    return odds.choices([name for name, _ in weighted], [weight for _, weight in weighted])[0]
