"""The names of countries, as the time zone database lists them."""

from __future__ import annotations

from importlib import resources


def _names() -> dict[str, str]:
    lines = (resources.files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8").splitlines()
    return {line[:2]: line[3:] for line in lines if line and not line.startswith("#")}


NAMES = _names()


def name_of(code: str) -> str | None:
    return NAMES.get(code)
