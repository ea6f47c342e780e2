"""How rare a number is among those before it: its rank inside, an exponential tail beyond the largest twentieth."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence

TAIL = 0.05
"""Part of the past that the tail is fitted to."""
LEAST_TAIL = 5
BURN_IN = 20
"""Numbers that are learned before one is judged."""
KEEP = 20_000
"""Numbers that are remembered unless told otherwise; the oldest leaves."""
MOST = 12.0
"""Powers of ten that a number beyond the tail adds at most."""


class Tail:
    def __init__(self, keep: int = KEEP, numbers: Sequence[float] = ()) -> None:
        """`numbers`: what was learned before, the oldest first."""
        self._keep = keep
        self._order = array("d", numbers)
        self._sorted = array("d", sorted(numbers))
        self._oldest = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def numbers(self) -> array[float]:
        """What is remembered, the oldest first."""
        return self._order[self._oldest :] + self._order[: self._oldest]

    def surprise(self, number: float) -> float:
        """-log10 of how often a number at least as large is to be expected: 2 is one in a hundred."""
        count = len(self._sorted)
        if count < BURN_IN:
            return 0.0
        at_least = count - bisect_left(self._sorted, number)
        size = max(int(count * TAIL), LEAST_TAIL)
        if at_least >= size:
            return -math.log10((at_least + 0.5) / (count + 1))
        begin = self._sorted[count - size]
        excess = sum(self._sorted[count - size :]) / size - begin
        beyond = (number - begin) / (excess + 1e-12 * (abs(begin) + 1e-300))
        return -math.log10((size + 0.5) / (count + 1)) + min(beyond * math.log10(math.e), MOST)

    @property
    def begin(self) -> float | None:
        """What one number in twenty is larger than."""
        count = len(self._sorted)
        return self._sorted[count - max(int(count * TAIL), LEAST_TAIL)] if count >= BURN_IN else None

    def learn(self, number: float) -> None:
        if len(self._order) < self._keep:
            self._order.append(number)
        else:
            del self._sorted[bisect_left(self._sorted, self._order[self._oldest])]
            self._order[self._oldest] = number
            self._oldest = (self._oldest + 1) % self._keep
        insort(self._sorted, number)

    def judge(self, number: float) -> float:
        """Its surprise; then it is learned."""
        found = self.surprise(number)
        self.learn(number)
        return found
