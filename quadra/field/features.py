"""What the field sees of a batch: how often each feature of an event occurred, by family. Nothing of an event is kept.

It runs once for each event that is stored: about a microsecond is what it may take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from quadra.core.pages import page_of

Key = TypeVar("Key")

HOUR_US = 3_600_000_000
HOURS = 168
THURSDAY = 72
"""1 January 1970 was a Thursday, and a week begins on Monday."""
LABEL = 80
"""Characters of a label. What differs only beyond them is one feature."""

FAMILIES = {"type": 0.60, "page": 0.10, "flow": 0.20, "gap": 0.05, "hour": 0.05}
"""Family of features -> its weight in loss and novelty. Few features say more: of many, chance decides which occur."""


class Sight(NamedTuple):
    """What is read of an event."""

    name: str
    page_url: str | None
    who: str | None
    """Whose previous event it follows: the session, else the person."""
    occurred_us: int


Counts = Mapping[str, Mapping[str, int]]
"""Family -> label -> how often."""


def count(events: Iterable[Sight]) -> dict[str, Counter[str]]:
    """The events in the order in which they came."""
    columns = tuple(zip(*events, strict=True))
    return count_columns(*columns) if columns else count_columns((), (), (), ())


def count_columns(
    names: Sequence[str], page_urls: Sequence[str | None], whos: Sequence[str | None], times: Sequence[int]
) -> dict[str, Counter[str]]:
    """The same, by column of `Sight`."""
    types = Counter(names)
    hours = Counter([at // HOUR_US for at in times])
    pages = Counter([pair for pair in zip(names, page_urls, strict=True) if pair[1] is not None])
    flows: Counter[tuple[str, str]] = Counter()
    gaps: Counter[int] = Counter()
    last: dict[str, tuple[str, int]] = {}
    for name, who, at in zip(names, whos, times, strict=True):
        if who is None:
            continue
        before = last.get(who)
        last[who] = name, at
        if before is None:
            flows["", name] += 1
        else:
            flows[before[0], name] += 1
            gaps[abs(at - before[1]) // 1_000_000] += 1
    return {
        "type": _by_label(types, lambda name: name[:LABEL]),
        "page": _by_label(pages, lambda pair: f"{pair[0][:LABEL]} on {path_of(pair[1] or '')}"),
        "flow": _by_label(flows, lambda pair: f"{pair[0][: LABEL // 2] or '(first)'} → {pair[1][: LABEL // 2]}"),
        "gap": _by_label(gaps, gap_label),
        "hour": _by_label(hours, hour_label),
    }


@lru_cache(maxsize=10_000)
def path_of(page_url: str) -> str:
    """The page of an address, without what may name a person: the query, and a fragment that is no route."""
    return page_of(page_url)[:LABEL]


def gap_label(seconds: int) -> str:
    """The next power of two: gaps differ by factors."""
    return f"within {1 << max(0, (seconds - 1).bit_length())} s" if seconds > 0 else "within 1 s"


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def hour_label(hour: int) -> str:
    of_week = (hour + THURSDAY) % HOURS
    return f"{DAYS[of_week // 24]} {of_week % 24:02}:00 UTC"


def _by_label(counted: Mapping[Key, int], label: Callable[[Key], str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, times in counted.items():
        found[label(key)] += times
    return found
