"""The objects of a file, however the tool that wrote it broke them up: NDJSON, JSON, CSV with a header, or Parquet."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Collection, Iterator
from itertools import chain, compress
from typing import Any

from quadra.core.errors import Invalid
from quadra.ingest.importers import parquet
from quadra.ingest.importers.source import Source, decoded
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name

MAX_JSON_ITEM = 16 * 2**20
"""Characters of one item of a JSON file, so of `{"events": […]}` as a whole; larger ones are NDJSON's business."""
DELIMITERS = ",;\t|"
NOTHING = frozenset({"NULL", "\\N"})
"""How dumps write a cell without a value, beside an empty one."""
BETWEEN = " \t\r\n,[]"

Record = tuple[int, dict[str, Any] | Refused]


class Cells(dict[str, Any]):
    """A row of a table, without its empty cells: all of it is text."""


def records(source: Source, inside: Collection[str]) -> Iterator[Record]:
    """(line or place, object). `inside` names what an envelope calls its list. Raises `Invalid`."""
    first = next((line for line in decoded(source.head).splitlines() if line.strip()), "").lstrip()
    if source.head.startswith(b"PAR1"):
        return enumerate(parquet.objects(source), start=1)
    if first.startswith("[") or (first.startswith("{") and not _is_line(first, inside)):
        return _checked(enumerate(values(source, inside), start=1))
    return _checked(_lines(source)) if first.startswith("{") else _cells(source, first)


def values(source: Source, inside: Collection[str] = ("events",)) -> Iterator[Any]:
    """The items of a JSON array, of `{"events": […]}`, or of objects one after another, however they are broken up."""
    decoder, text, wanted = json.JSONDecoder(), "", 0
    for chunk in chain(source.chunks(), (None,)):
        text += chunk or ""
        if chunk is not None and len(text) < wanted:
            continue
        at = 0
        while True:
            while at < len(text) and text[at] in BETWEEN:
                at += 1
            if at == len(text):
                break
            try:
                value, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                break
            found = next((value[name] for name in inside if name in value), None) if isinstance(value, dict) else None
            yield from found if isinstance(found, list) else (value,)
        text = text[at:]
        # an unfinished item is looked at again when there is twice as much of it, lest a long one is read over and over
        wanted = 2 * len(text)
        if wanted > 2 * MAX_JSON_ITEM:
            break
    if text:
        raise Invalid(f"{source.name} is not JSON from here on: {text[:60]!r}. One event a line is NDJSON.")


def rows_of_cells(source: Source, first: str) -> Iterator[tuple[int, list[str] | Refused]]:
    """(line, cells), without blank lines. The last one waits where the file ends within its quotes."""
    ended = False

    def text() -> Iterator[str]:
        nonlocal ended
        yield from source.text()
        ended = True

    reader = csv.reader(text(), delimiter=delimiter_of(first), skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, Refused("invalid", {"line": f"not CSV: {error}"})
            continue
        if ended and not source.complete:  # a row that is whole is there before the end is seen
            source.unfinished = reader.line_num
        elif row:
            yield reader.line_num, row


def delimiter_of(line: str) -> str:
    return max(DELIMITERS, key=line.count)


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def is_object(raw: bytes) -> bool:
    """An object that is read to its closing bracket is complete, whatever follows."""
    return raw.startswith(b"{") and is_json(decoded(raw))


def _is_line(line: str, inside: Collection[str]) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return not any(isinstance(found.get(name), list) for name in inside)


def _lines(source: Source) -> Iterator[tuple[int, Any]]:
    for line in source.lines(is_whole=is_object):
        try:
            yield line.number, foreign.decode(line.raw)
        except Invalid:
            yield line.number, Refused("invalid", {"line": "not JSON"})


def _cells(source: Source, first: str) -> Iterator[Record]:
    csv.field_size_limit(min(sys.maxsize, 2**30))
    header: list[str] | None = None
    for number, row in rows_of_cells(source, first):
        if isinstance(row, Refused):
            yield number, row
        elif header is None:
            header = [name.strip() for name in row]
        elif len(row) > len(header):
            yield number, Refused("invalid", {"line": f"{len(row)} cells under {len(header)} columns"})
        else:
            cells = Cells(zip(compress(header, row), filter(None, row), strict=True))
            if not NOTHING.isdisjoint(row):
                for name in [name for name, cell in cells.items() if cell in NOTHING]:
                    del cells[name]
            yield number, cells


def _checked(found: Iterator[tuple[int, Any]]) -> Iterator[Record]:
    for number, value in found:
        if isinstance(value, dict | Refused):
            yield number, value
        else:
            yield number, Refused("invalid", {"event": f"must be an object, not {json_name(value)}"})
