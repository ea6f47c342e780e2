"""How surprising a number is: the few tests that findings stand on, in plain Python.

No test here raises for odd input; where nothing can be said, the answer is a p-value of 1: no surprise.

**Confidence** of a finding is `(1 - p) · n / (n + 20) · b / (b + 2)`: p is the p-value, n the observations of this batch
it rests on, b the earlier batches it was compared with. A batch of 20 is believed half as much as a very large one, and a
comparison with two earlier batches half as much as one with many. It never reaches 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

ALPHA = 1e-3
"""A finding needs a p-value below this. Some thirty comparisons are made for a batch, so about one quiet batch in thirty
would be disturbed by chance alone; that the share also lies outside of what recent batches did makes it far fewer."""

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of normal data times this is its standard deviation."""


def confidence(p: float, *, n: float, batches: int) -> float:
    """0…1, see above."""
    if n <= 0 or batches <= 0:
        return 0.0
    return round(max(0.0, min(0.99, (1 - p) * n / (n + 20) * batches / (batches + 2))), 3)


def normal_tail(z: float) -> float:
    """P(Z ≥ z)."""
    return 1.0 if math.isnan(z) else 0.5 * math.erfc(z / math.sqrt(2))


def rise(k: int, n: int, before_k: int, before_n: int) -> float:
    """How likely at least `k` of `n` are, were the share the same as in `before_k` of `before_n`.

    Fisher's exact test, one-sided: two proportions, right for counts of any size.
    """
    if n <= 0 or before_n <= 0 or k <= 0:
        return 1.0
    hits, total = k + before_k, n + before_n
    first = max(0, n - (total - hits))
    last = min(n, hits)
    if k <= first:
        return 1.0
    whole = _log_choose(total, n)
    return _sum_tail(lambda x: _log_choose(hits, x) + _log_choose(total - hits, n - x) - whole, k, last)


def fall(k: int, n: int, before_k: int, before_n: int) -> float:
    """How likely at most `k` of `n` are, were the share the same as before: `rise` of the others."""
    return rise(n - k, n, before_n - before_k, before_n)


def binomial_tail(k: int, n: int, share: float) -> float:
    """P(at least `k` of `n`) where each has the probability `share`."""
    if k <= 0 or n <= 0:
        return 1.0
    if share <= 0 or k > n:
        return 0.0
    if share >= 1:
        return 1.0
    yes, no = math.log(share), math.log1p(-share)
    return _sum_tail(lambda x: _log_choose(n, x) + x * yes + (n - x) * no, k, n)


def poisson_two_sided(k: float, expected: float) -> float:
    """How likely a count this far from `expected` is, on its own side, doubled. Normal above 1,000, exact below."""
    if expected <= 0:
        return 1.0
    if expected > 1000 or k > 5000:
        return min(1.0, 2 * normal_tail(abs(k - expected) / math.sqrt(expected)))
    at = int(k)
    if k >= expected:
        upper = 1 - sum(_poisson(x, expected) for x in range(at))
        return max(0.0, min(1.0, 2 * upper))
    return min(1.0, 2 * sum(_poisson(x, expected) for x in range(at + 1)))


def robust_z(x: float, before: Sequence[float], *, floor: float) -> float:
    """How many standard deviations `x` lies from the median of `before`; spread is the MAD, at least `floor`."""
    if not before:
        return 0.0
    middle = statistics.median(before)
    spread = MAD_TO_SIGMA * statistics.median(abs(value - middle) for value in before)
    return (x - middle) / max(spread, floor)


def means_differ(n: int, mean: float, variance: float, before: Sequence[tuple[int, float, float]]) -> float:
    """Two-sided p-value for two means, `before` given as (n, mean, variance) of several groups that are pooled (Welch)."""
    before_n, before_mean, before_variance = pooled(before)
    if n < 2 or before_n < 2:
        return 1.0
    error = math.sqrt(max(0.0, variance) / n + max(0.0, before_variance) / before_n)
    difference = abs(mean - before_mean)
    if not math.isfinite(error) or not math.isfinite(difference) or difference == 0:
        return 1.0
    return 0.0 if error == 0 else min(1.0, 2 * normal_tail(difference / error))


def pooled(groups: Sequence[tuple[int, float, float]]) -> tuple[int, float, float]:
    """(n, mean, variance) of groups put together."""
    n = sum(group[0] for group in groups)
    if n == 0:
        return 0, 0.0, 0.0
    mean = sum(size * middle for size, middle, _ in groups) / n
    squares = sum(size * (variance + (middle - mean) * (middle - mean)) for size, middle, variance in groups)
    return n, mean, squares / n


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1))]


def _log_choose(n: int, k: int) -> float:
    if k < 0 or k > n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _poisson(k: int, expected: float) -> float:
    return math.exp(k * math.log(expected) - expected - math.lgamma(k + 1))


def _sum_tail(log_term: object, first: int, last: int) -> float:
    """Sum of exp(log_term(x)) from `first` up; stops where terms no longer matter."""
    assert callable(log_term)
    total, peak = 0.0, 0.0
    for x in range(first, last + 1):
        term = math.exp(log_term(x))
        total += term
        peak = max(peak, term)
        if term < peak * 1e-12:
            break
    return max(0.0, min(1.0, total))
