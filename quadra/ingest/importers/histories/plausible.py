"""Plausible: the CSV files of its export (`imported_visitors_….csv`, `imported_sources_….csv`, …), as daily totals.

They hold neither events nor visits, so nothing of them becomes a person here.
"""

from __future__ import annotations

from collections.abc import Iterator

from quadra.core.errors import Invalid
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.totals import Numbered, Total, day_of, lines_of, number_of
from quadra.ingest.wire import Refused

DAY = "date"
DIMENSIONS = frozenset(
    {
        *("source", "channel", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
        *("hostname", "page", "entry_page", "exit_page", "country", "region", "city", "device", "screen_size"),
        *("browser", "browser_version", "operating_system", "operating_system_version", "name", "link_url", "path"),
    }
)
"""Every other column is a number."""


def read(source: Source) -> Iterator[Numbered]:
    """Raises `Invalid` for a file that is none of these."""
    header: list[str] | None = None
    for number, cells in lines_of(source):
        if not any(cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if DAY not in header or DIMENSIONS.issuperset({*header} - {DAY}):
                shown = ", ".join(header)[:200]
                raise Invalid(
                    f"{source.name} is no CSV of a Plausible export: it has no date, or no number. It has: {shown}."
                )
            continue
        try:
            yield number, cells, _total(header, cells)
        except Refused as refused:
            yield number, cells, refused


def _total(header: list[str], cells: list[str]) -> Total:
    """Raises `Refused`."""
    if len(cells) != len(header):
        raise Refused("invalid", {"line": f"{len(cells)} cells under {len(header)} columns"})
    row = dict(zip(header, cells, strict=True))
    day = day_of(row.pop(DAY))
    return Total(
        day,
        {name: cell for name, cell in row.items() if name in DIMENSIONS},
        {name: number_of(name, cell) for name, cell in row.items() if name not in DIMENSIONS and cell != ""},
    )
