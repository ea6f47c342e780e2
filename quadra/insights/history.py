"""What recent batches of the same project looked like, as the finders ask it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from quadra.insights.digest import Digest
from quadra.insights.odds import ALPHA, fall, quantile, rise
from quadra.insights.seen import Seen

FEW = 3
"""Fewer earlier batches than this are no history: nothing is said to have changed."""
HIGH, LOW = 0.8, 0.2
"""What is called unusual lies outside of what four fifths of the recent batches did. A change is therefore told by the first
batches that show it and becomes the usual after some five of twenty; a project whose batches differ a lot is not nagged."""


@dataclass(frozen=True)
class HourPast:
    """One hour of this batch: how many events it has by now, and the same hour on the days before."""

    hour_us: int
    before_this_batch: int
    in_this_batch: int
    days_before: Sequence[int]


class Told(NamedTuple):
    """What was found in the batch before."""

    began: datetime
    findings: Sequence[Mapping[str, Any]]
    """As `Finding.as_dict` wrote them."""


@dataclass(frozen=True)
class BatchContext:
    """Everything a finder may look at."""

    seen: Seen
    now: Digest
    before: Sequence[Digest]
    hours: Sequence[HourPast] = ()
    told: Told | None = None
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def enough(self) -> bool:
        return len(self.before) >= FEW


class Change(NamedTuple):
    """A share now against the share before."""

    k: int
    n: int
    share: float
    before_share: float
    p: float
    batches: int

    @property
    def times(self) -> float:
        return self.share / self.before_share if self.before_share > 0 else float("inf")


Part = Callable[[Digest], tuple[int, int] | None]
"""Of a digest: (how many, of how many); None where it does not know."""


def compare(context: BatchContext, part: Part, *, rises: bool = True, families: int = 1) -> Change | None:
    """Whether a share rose (or fell) beyond chance and beyond what recent batches did; None where it did not.

    `families` is how many shares of the same sort are compared: p is multiplied by it (Bonferroni).
    """
    here = part(context.now)
    past = [found for digest in context.before if (found := part(digest)) is not None]
    if here is None or len(past) < FEW:
        return None
    k, n = here
    before_k, before_n = sum(found[0] for found in past), sum(found[1] for found in past)
    if n <= 0 or before_n <= 0:
        return None
    share, before_share = k / n, before_k / before_n
    if (share > before_share) is not rises:
        return None
    shares = [part_k / part_n for part_k, part_n in past if part_n >= min(10, n)]
    if shares and not (share > quantile(shares, HIGH) if rises else share < quantile(shares, LOW)):
        return None
    p = (rise if rises else fall)(k, n, before_k, before_n) * families  # last: it takes the longest
    if p >= ALPHA:
        return None
    return Change(k, n, share, before_share, min(1.0, p), len(past))
