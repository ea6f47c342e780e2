"""Sentences made of evidence: every number and name in one comes out of the evidence that stands beside it.

A template is plain text with `{name:form}`; the form says how a value is shown. Templates hold no digits of their own.
Names come from senders: they are cut, stripped of control characters and shown as text, never as markup.
"""

from __future__ import annotations

import math
import string
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

NAME_LENGTH = 80


@lru_cache(maxsize=4096)
def clean(value: Any, length: int = NAME_LENGTH) -> str:
    """One line of printable text, cut to `length`. Invisible characters (direction marks, NUL, lone surrogates) go."""
    text = " ".join(str(value)[: length * 4].split())
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return text if len(text) <= length else text[: length - 1] + "…"


def count(value: float) -> str:
    """1,234 · 12.3 · 0.42"""
    if not math.isfinite(value):
        return "very many"
    if abs(value) >= 1e15:
        return f"{value:.1e}"
    if value == int(value) or abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def percent(share: float) -> str:
    """0.039 -> `3.9 %`"""
    value = share * 100
    if not math.isfinite(value):
        return "very many %"
    return f"{value:.0f} %" if value == 0 or abs(value) >= 10 else f"{value:.2g} %"


def milliseconds(value: float, beside: float | None = None) -> str:
    """850 ms · 2.4 s · 3 min · 5 h; in the unit of a smaller one that stands `beside` it."""
    if not math.isfinite(value) or value >= 1e15:
        return "very long"
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if min(value, beside or value) >= size:
            return f"{value / size:,.2g} {unit}" if value / size < 100 else f"{value / size:,.0f} {unit}"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.2g} ms"


def dollars(value: float) -> str:
    """$12.30 · $0.0042"""
    if not math.isfinite(value) or abs(value) >= 1e12:
        return f"${value:.1e}"
    return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.2g}"


def per_time(per_second: float, beside: float | None = None) -> str:
    """A rate in the unit in which it is easiest to read: `12 a minute`; in that of a smaller one that stands `beside` it."""
    if not math.isfinite(per_second):
        return "very many a second"
    for unit, seconds in (("second", 1), ("minute", 60), ("hour", 3600)):
        if min(per_second, beside or per_second) * seconds >= 1:
            return f"{count(per_second * seconds)} a {unit}"
    return f"{count(per_second * 86400)} a day"


FORMS: dict[str, Callable[[float], str]] = {
    "count": count,
    "percent": percent,
    "ms": milliseconds,
    "usd": dollars,
    "rate": per_time,
    "times": lambda value: f"{count(value)} times",
    "score": lambda value: f"{value:.3g}",
}


WITH_UNITS: dict[str, Callable[[float, float | None], str]] = {"ms": milliseconds, "rate": per_time}
"""Several of these in one sentence have the same unit: 120 a minute, usually 12 a minute."""


class _Sentence(string.Formatter):
    def __init__(self, smallest: Mapping[str, float]):
        self._smallest = smallest

    def format_field(self, value: Any, form: str) -> str:
        if not form:
            return clean(value)
        if form in WITH_UNITS:
            return WITH_UNITS[form](float(value), self._smallest.get(form))
        return FORMS[form](float(value))


@lru_cache(maxsize=256)  # templates are ours, and few
def _fields(template: str) -> tuple[tuple[str, str], ...]:
    """(name, form) of what a template shows."""
    found = string.Formatter().parse(template)
    return tuple((name, form or "") for _, name, form, _ in found if name)


def say(template: str, evidence: Mapping[str, Any]) -> str:
    """The sentence. `{name}` shows text, `{name:percent}` a number in one of FORMS."""
    smallest: dict[str, float] = {}
    for name, form in _fields(template):
        if form in WITH_UNITS and (value := float(evidence[name])) > 0:
            smallest[form] = min(value, smallest.get(form, value))
    return _Sentence(smallest).vformat(template, (), evidence)
