"""Names and numbers out of what senders wrote, and the summaries a digest keeps of them. Pure; junk counts as absent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from quadra.core.pages import page_of
from quadra.insights.digest import Score
from quadra.insights.scrub import scrub
from quadra.insights.words import NAME_LENGTH, clean

Scores = Sequence[float]
MOST = 1e15


def _nps(scores: Scores) -> float:
    return 100 * (sum(score >= 9 for score in scores) - sum(score <= 6 for score in scores)) / len(scores)


def _csat(scores: Scores) -> float:
    return sum(score >= 4 for score in scores) / len(scores)


def _ces(scores: Scores) -> float:
    return sum(scores) / len(scores)


HEADLINES: dict[str, Callable[[Scores], float]] = {"nps": _nps, "csat": _csat, "ces": _ces}


@lru_cache(maxsize=4096)
def label(name: str, length: int = NAME_LENGTH) -> str:
    """A name as it is kept: one line, without what names a person."""
    return clean(scrub(name), length)


@lru_cache(maxsize=4096)
def place_of(url: str | None) -> str:
    """The page of a URL or endpoint, with ids in it replaced: `/users/42/posts` is `/users/:id/posts`."""
    if not url:
        return ""
    parts = [":id" if ID.fullmatch(part) else part for part in page_of(url[:1000]).split("/")[:8]]
    return label("/".join(parts))


ID = re.compile(r"\d+|[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}")
NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")


@lru_cache(maxsize=1024)
def numberless(message: str) -> str:
    """An error's message without what differs from one time to the next: `row 17 failed` and `row 18 failed` are one group."""
    return NUMBER.sub("#", scrub(message[:400].partition("\n")[0]))


def timing(durations: list[float]) -> tuple[int, float, float]:
    if not durations:
        return 0, 0.0, 0.0
    ordered = sorted(durations)
    last = len(ordered) - 1
    return len(ordered), ordered[last // 2], ordered[min(last, math.ceil(0.95 * len(ordered)) - 1)]


def spread(values: list[float]) -> tuple[float, float]:
    """(mean, variance)"""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) * (value - mean) for value in values) / len(values)


def score_of(kind: str, scores: list[float]) -> Score:
    return Score(len(scores), *spread(scores), HEADLINES[kind](scores))


def text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(max(-MOST, min(MOST, value)))  # bounded first: a whole number may be too large for a float
