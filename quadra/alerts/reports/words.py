"""How a report writes names and numbers of answers."""

from __future__ import annotations

ABBREVIATIONS = {
    "avg": "average",
    "dau": "DAU",
    "wau": "WAU",
    "mau": "MAU",
    "ai": "AI",
    "api": "API",
    "id": "ID",
    "ms": "ms",
    "usd": "USD",
    "nps": "NPS",
    "csat": "CSAT",
    "url": "URL",
}
ENDINGS = ("_seconds", "_ms", "_usd")
"""Units: a number is written with its own, so that its name need not say it."""


def title(name: str) -> str:
    """`avg_duration_seconds` is "Average duration"."""
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    words = name.replace("-", "_").replace("/", "_").split("_")
    text = " ".join(ABBREVIATIONS.get(word, word) for word in words if word)
    return text[:1].upper() + text[1:]


def number(value: float | None, name: str = "") -> str:
    """With the unit that the field's name says."""
    if value is None:
        return "—"
    if name.endswith("_seconds"):
        return duration(value)
    if name.endswith("_ms"):
        return f"{value:,.0f} ms" if value < 10_000 else duration(value / 1_000)
    if name.endswith("_usd"):
        return f"${value:,.2f}"
    if name.endswith("rate"):
        return f"{value:.1f} %"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def change(value: float | None, before: float | None) -> str:
    """Against the time before, in per cent; empty where that cannot be said."""
    if value is None or not before:
        return ""
    share = (value - before) / before * 100
    return "no change" if round(share, 1) == 0 else f"{share:+.1f} %"
