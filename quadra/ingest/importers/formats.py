"""How each format is read: lines of a `Source` to items, and how `auto` tells which format it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from quadra.core.errors import Invalid
from quadra.ingest.agents import browser_of
from quadra.ingest.importers import own, parquet, table, totals
from quadra.ingest.importers.access_log import Entry, read_line
from quadra.ingest.importers.access_log_events import fields_of
from quadra.ingest.importers.access_log_json import is_entry, read_json
from quadra.ingest.importers.histories import ga4, matomo, plausible, posthog, umami
from quadra.ingest.importers.histories import reading as histories
from quadra.ingest.importers.items import Item, Reading
from quadra.ingest.importers.plain import from_line
from quadra.ingest.importers.records import is_json, is_object, values
from quadra.ingest.importers.source import Source, decoded
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name


def read(source: Source, name: str, reading: Reading) -> tuple[str, Iterator[Item] | totals.Counted]:
    """(the name of the format, what it holds). Raises `Invalid` where `auto` cannot tell."""
    if name == "auto":
        name = "csv" if reading.mapped else guess_format(source.head, source.name)
    if reading.times.column is not None and name == "combined":
        raise Invalid("--time-column is for csv, ndjson, json and parquet; lines of an access log have their time.")
    if reading.mapped and name != "csv":
        raise Invalid(f"--map is for csv; {source.name} is {name}.")
    if name in TOTALS:
        return name, totals.Counted(name, TOTALS[name](source))
    return name, READERS[name](source, reading)


def guess_format(head: bytes, what: str) -> str:
    """The format of a file that begins like this. Raises `Invalid`."""
    if head.startswith(b"PAR1"):
        return "parquet"
    lines = [line for line in decoded(head).splitlines() if line.strip()][:20]
    if not lines:
        return "ndjson"  # of nothing, no event
    first = lines[0].lstrip()
    if first.startswith("["):
        return "json"
    if first.startswith("{"):
        return "ndjson" if is_json(first) or len(lines) == 1 else "json"
    if any(_is_log(line) for line in lines):
        return "combined"
    if table.is_header(first):
        return "csv"
    raise Invalid(
        f"What {what} holds is not known; it begins with: {first[:100]!r}. "
        "Name it with --format combined, ndjson, csv, json or parquet, or the tool that wrote it: umami, posthog, matomo, "
        "plausible or ga4. A table with columns of its own takes --map event=COLUMN,user=COLUMN,time=COLUMN."
    )


def _read_log(source: Source, reading: Reading) -> Iterator[Item]:
    for line in source.lines():
        try:
            entry = read_line(decoded(line.raw))
        except Refused as refused:
            yield Item(line.number, line.raw, refused)
        else:
            yield _of_entry(line.number, line.raw, entry, reading)


def _read_ndjson(source: Source, reading: Reading) -> Iterator[Item]:
    for line in source.lines(is_whole=is_object):
        if reading.times.column is None and (plain := from_line(line.raw)) is not None:
            yield Item(line.number, line.raw, *plain)
            continue
        try:
            entry = foreign.decode(line.raw)
        except Invalid:
            yield Item(line.number, line.raw, Refused("invalid", {"line": "not JSON"}))
        else:
            yield _of_object(line.number, line.raw, entry, reading)


def _read_json(source: Source, reading: Reading) -> Iterator[Item]:
    for number, found in enumerate(values(source), start=1):
        yield _of_object(number, json.dumps(found, sort_keys=True).encode(), found, reading)


def _read_parquet(source: Source, reading: Reading) -> Iterator[Item]:
    for number, found in enumerate(parquet.rows(source, reading.times), start=1):
        yield _of_object(number, json.dumps(found, sort_keys=True, default=str).encode(), found, reading)


def _read_csv(source: Source, reading: Reading) -> Iterator[Item]:
    for number, identity, row in table.rows(source, reading.times, reading.mapped):
        yield Item(number, identity, row) if isinstance(row, Refused) else Item(number, identity, *row)


READERS: dict[str, Callable[[Source, Reading], Iterator[Item]]] = {
    "combined": _read_log,
    "ndjson": _read_ndjson,
    "csv": _read_csv,
    "json": _read_json,
    "parquet": _read_parquet,
    "umami": partial(histories.items, umami.read, umami.INSIDE),
    "posthog": partial(histories.items, posthog.read, posthog.INSIDE),
    "matomo": partial(histories.items, matomo.read, matomo.INSIDE),
}

TOTALS: dict[str, totals.Read] = {
    "plausible": plausible.read,
    "ga4": ga4.read,
}
"""Formats of what was counted already: they hold no events."""
NAMES = ("auto", *READERS, *TOTALS)


def _of_object(number: int, identity: bytes, entry: Any, reading: Reading) -> Item:
    """An event of ours, a row of our export, or a line that a web server wrote as JSON."""
    if not isinstance(entry, dict):
        return Item(number, identity, Refused("invalid", {"event": f"must be an object, not {json_name(entry)}"}))
    try:
        if own.is_own(entry):
            return Item(number, identity, *own.event_of(entry))
        if is_entry(entry):
            return _of_entry(number, identity, read_json(entry), reading)
        return Item(number, identity, reading.times.of(entry))
    except Refused as refused:
        return Item(number, identity, refused)


def _of_entry(number: int, identity: bytes, entry: Entry, reading: Reading) -> Item:
    agent = browser_of(entry.agent)
    if reading.places is not None and entry.address:
        country, region = reading.places.of(entry.address)
        agent = agent._replace(country=country, region=region)
    return Item(number, identity, fields_of(entry, reading.visitors), agent)


def _is_log(line: str) -> bool:
    try:
        read_line(line)
    except Refused:
        return False
    return True
