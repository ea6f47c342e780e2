"""One signal minute by minute: what is expected of a minute from the same time of day and week and from the level of late,
and how surprising it is what came. Each minute is judged, then learned.

Everything is reckoned in square roots, in which the chance of a count is the same whatever its size. What `Series` does for
shapes of any data is too little for counts: docs/field.md has the comparison.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quadra.field.series import HUGE, Judged
from quadra.field.tail import Tail

Numbers: TypeAlias = "npt.NDArray[np.float64]"

DAY_SLOTS, DAY_SLOT = 144, 10
WEEK_SLOTS, WEEK_SLOT = 336, 30
"""How many there are, and of how many minutes."""
FRESH = 0.3
"""Part of a slot's mean that its newest occurrence makes."""
LEVEL_MINUTES = 720.0
"""How soon a level that stays is the usual one."""
LEVEL_MOST = 3.0
"""Of a deviation, that the level follows: an outage is no new level."""
LATELY_MINUTES = 20.0
"""In which a reference shows whether it is the better one."""
YOUNG = 120
"""Minutes that are only learned: a band of fewer says nothing."""
ROUNDING = 1e-9
MEANS = (10, 40)
"""Minutes whose mean deviation is judged as well: a small change that lasts is as unusual as a large one."""
DISTANCES = 2_000
QUIET = 100
QUIET_FROM, QUIET_PART = 2.0, 0.1
"""As in `Series`: the same anomaly is told once."""
COUNTED = 0.375
"""Makes the root of a small count vary as that of a large one (Anscombe)."""


class Expected:
    """Memory is bounded, nothing fails, nothing looks ahead."""

    def __init__(self) -> None:
        self._slots = {"day": Slots(DAY_SLOTS, DAY_SLOT), "week": Slots(WEEK_SLOTS, WEEK_SLOT)}
        self._one = Tail(DISTANCES)
        self._means = [Tail(DISTANCES) for _ in MEANS]
        self._off: deque[float] = deque(maxlen=max(MEANS))
        self._lately: deque[float] = deque(maxlen=QUIET)

    def judge(self, minute: int, value: float) -> Judged:
        """`minute` since 1970, later than any before. A missing value (NaN) is no anomaly and teaches nothing."""
        expected = self._expected(minute)
        low, high = self._band(expected)
        if math.isnan(value):
            return Judged(0.0, low, high)
        root = 2 * math.sqrt(min(max(value, 0.0), HUGE) + COUNTED)
        known = [one for slots in self._slots.values() if (one := slots.off(minute, root)) is not None]
        surprise = self._surprise(min(known, key=abs)) if known else 0.0
        for slots in self._slots.values():
            slots.learn(minute, root)
        return Judged(1.0 - math.pow(2.0, -surprise / 2.0), low, high)

    def _expected(self, minute: int) -> float | None:
        """As at this time of the day or of the week, whichever was nearer of late: a first weekend is like no day before,
        and in the week after a new level the same time of the week is not what it was."""
        known = [(slots.error, one) for slots in self._slots.values() if (one := slots.expected(minute)) is not None]
        return min(known)[1] if known else None

    def _band(self, expected: float | None) -> tuple[float | None, float | None]:
        width = self._one.begin
        if expected is None or width is None or len(self._one) < YOUNG:
            return None, None
        return _value(max(expected - width, 0.0)), _value(expected + width)

    def _surprise(self, off: float) -> float:
        self._off.append(off)
        found = self._one.judge(abs(off))
        for minutes, tail in zip(MEANS, self._means, strict=True):
            if len(self._off) >= minutes:
                mean = sum(list(self._off)[-minutes:]) / minutes
                found = max(found, tail.judge(abs(mean)))
        peak = max(self._lately, default=0.0)
        self._lately.append(found)
        return found * QUIET_PART if peak >= max(found, QUIET_FROM) else found

    def state(self) -> dict[str, Numbers]:
        """Everything it remembers, as arrays."""
        found = {f"tail{place}": np.array(tail.numbers) for place, tail in enumerate((self._one, *self._means))}
        for name, slots in self._slots.items():
            found[name] = np.array([*slots.means, *(getattr(slots, one) for one in SCALARS)])
        lists = {"off": self._off, "lately": self._lately}
        return found | {name: np.array(numbers, dtype=np.float64) for name, numbers in lists.items()}

    @classmethod
    def of(cls, state: Mapping[str, Numbers]) -> Expected:
        """The one that has this state; it goes on alike. Raises `KeyError`, `ValueError`."""
        made = cls()
        made._one, *made._means = (Tail(DISTANCES, state[f"tail{place}"].tolist()) for place in range(1 + len(MEANS)))
        for name, slots in made._slots.items():
            numbers = state[name].tolist()
            if len(numbers) != len(slots.means) + len(SCALARS):
                raise ValueError(f"{len(numbers)} numbers of a {name}")
            slots.means = numbers[: len(slots.means)]
            for one, number in zip(SCALARS, numbers[len(slots.means) :], strict=True):
                setattr(slots, one, number)
        made._off.extend(state["off"].tolist())
        made._lately.extend(state["lately"].tolist())
        return made


SCALARS = ("sum", "count", "number", "level", "error")
"""Of slots, beside their means."""


class Slots:
    """The means of the parts of a day or a week, each learned when it is over, and how far above them all is of late."""

    def __init__(self, slots: int, minutes: int):
        self._minutes = minutes
        self.means = [math.nan] * slots
        self.sum, self.count, self.number = 0.0, 0.0, -1.0
        """Of the slot that is not over."""
        self.level = 0.0
        self.error = 0.0
        """Mean of the deviations of late."""

    def expected(self, minute: int) -> float | None:
        usual = self._usual(minute)
        return None if usual is None else max(usual + self.level, 0.0)

    def off(self, minute: int, root: float) -> float | None:
        """How far a minute is from what was expected; None while that is not known."""
        expected = self.expected(minute)
        if expected is None:
            return None
        off = root - expected
        return 0.0 if abs(off) <= ROUNDING * max(1.0, root) else off

    def learn(self, minute: int, root: float) -> None:
        off = self.off(minute, root)
        if off is not None:
            self.level += max(-LEVEL_MOST, min(LEVEL_MOST, off)) / LEVEL_MINUTES
            self.error += (abs(off) - self.error) / LATELY_MINUTES
        number = minute // self._minutes
        if number != self.number:
            if self.count:
                place, mean = int(self.number) % len(self.means), self.sum / self.count
                known = self.means[place]
                self.means[place] = mean if math.isnan(known) else known + FRESH * (mean - known)
            self.sum, self.count, self.number = 0.0, 0.0, float(number)
        self.sum += root
        self.count += 1

    def _usual(self, minute: int) -> float | None:
        """Between the middles of the two slots around a minute, where both are known; on a first day that of the slot that is
        not over."""
        place = minute / self._minutes - 0.5
        before = math.floor(place)
        one, other = (self.means[at % len(self.means)] for at in (before, before + 1))
        if math.isnan(one) or math.isnan(other):
            known = other if math.isnan(one) else one
            if not math.isnan(known):
                return known
            return self.sum / self.count if self.count else None
        return one + (place - before) * (other - one)


def _value(root: float) -> float:
    return round(max((root / 2) ** 2 - COUNTED, 0.0), 9)  # of the root of 0 some 1e-17 is left
