"""The anomaly score of one series of numbers, row by row: each row is scored by what came before it, then learned."""

from __future__ import annotations

import math
from bisect import bisect_left, insort

KEEP = 10_000
"""Values that a history remembers; the oldest leave."""
HUGE = 1e150
"""Larger numbers count as this: differences must stay finite."""


class History:
    """How often values as large were seen before, over a bounded past."""

    def __init__(self, keep: int = KEEP):
        self._sorted: list[float] = []
        self._order: list[float] = []
        self._oldest = 0
        self._keep = keep

    def surprise(self, value: float) -> float:
        """-log10 of the share of the past that was at least as large."""
        count = len(self._sorted)
        if not count:
            return 0.0
        at_least = count - bisect_left(self._sorted, value)
        return -math.log10((at_least + 0.5) / (count + 1))

    def learn(self, value: float) -> None:
        if len(self._order) < self._keep:
            self._order.append(value)
        else:
            gone = self._order[self._oldest]
            del self._sorted[bisect_left(self._sorted, gone)]
            self._order[self._oldest] = value
            self._oldest = (self._oldest + 1) % self._keep
        insort(self._sorted, value)


class Series:
    """One series. `score` never fails and never looks ahead; memory is bounded."""

    def __init__(self) -> None:
        self._high, self._low, self._step = History(), History(), History()
        self._last: float | None = None

    def score(self, value: float, at: float | None = None) -> float:
        """0 normal … 1 anomalous. A missing value (NaN) is no anomaly and teaches nothing; an infinite one is 1."""
        if math.isnan(value):
            return 0.0
        if math.isinf(value):
            return 1.0
        value = max(-HUGE, min(HUGE, value))
        step = 0.0 if self._last is None else abs(value - self._last)
        surprise = max(self._high.surprise(value), self._low.surprise(-value), self._step.surprise(step))
        self._high.learn(value)
        self._low.learn(-value)
        self._step.learn(step)
        self._last = value
        return 1.0 - math.pow(2.0, -surprise / 2.0)
