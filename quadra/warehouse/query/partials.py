"""What one file says about a question, kept for as long as the file is listed: a question that is asked again, or of another
range, reads only what it has not read yet.

A file never changes, and its name here is its sha256, so nothing has to be told that a part is out of date. A part depends on
the statement, on where the range cuts the file, and on which periods begin inside it, and on nothing else: whose an id is, is
looked up when parts are put together. Texts are numbers of `texts.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quadra.warehouse.query.fresh import Fresh
from quadra.warehouse.query.shelf import Key, Part, Shape, drop, files_of, small
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Column, Columns, Tallied, Tally
from quadra.warehouse.query.texts import TEXTS_MOST, Texts, TooMany
from quadra.warehouse.segments.catalogue import Listed

BYTES_MOST = 32 * 2**20
ONE_MOST = BYTES_MOST // 2
"""Of all parts of a question: what is larger is answered by its plain statement."""
ROWS_AT_ONCE = 1_000_000
"""Of files in one scan: as many groups there may be in memory."""
UNUSED_SECONDS = 600.0
"""What nobody asked for so long goes."""
AGAIN_SECONDS = 3_600.0
"""After which all of a project goes: the texts name people who were erased meanwhile."""


@dataclass(frozen=True)
class _Source:
    """A file, or fresh rows."""

    key: object
    """None where it is not kept."""
    first_us: int
    last_us: int
    rows: int
    segment: Listed | None = None
    table: pa.Table | None = None


Missing = tuple[_Source, int, Key | None]
"""The second is the period in which it begins."""


@dataclass
class _Project:
    texts: Texts = field(default_factory=Texts)
    shapes: dict[str, Shape] = field(default_factory=dict)
    live: frozenset[str] = frozenset()
    begun: float = field(default_factory=time.monotonic)
    used: float = 0.0


class Partials:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._projects: dict[int, _Project] = {}

    @property
    def size(self) -> int:
        return sum(shape.bytes for project in self._projects.values() for shape in project.shapes.values())

    def keys(self, project_id: int) -> set[object]:
        """The hashes of files of which there are parts."""
        shapes = self._projects[project_id].shapes.values() if project_id in self._projects else ()
        return {name for shape in shapes for key in shape.parts for name in files_of(key)}

    def clear(self) -> None:
        with self._lock:
            self._projects.clear()

    def of(self, look: Look, tally: Tally) -> Tallied | None:
        """None where parts are no way to answer it: there are too many, or another engine is asked."""
        if look.elsewhere is not None or (look.chosen is not None and "id" not in tally.keys):
            return None
        shelf = self.shelf(look, tally.shape)
        if shelf is None:
            return None
        texts, shape = shelf
        try:
            periods, columns = self._collected(look, tally, texts, shape)
            persons = texts.persons(look.identities()) if "id" in tally.keys else np.zeros(0, np.int32)
        except TooMany:
            self.give_up(shape)
            return None
        if look.chosen is not None:
            chosen = np.zeros(len(persons), np.bool_)
            codes = (texts.code(name) for name in look.chosen["person"].to_pylist())
            chosen[[code for code in codes if code is not None and code < len(persons)]] = True
            inside = chosen[persons[columns["id"]]]
            periods, columns = periods[inside], {name: column[inside] for name, column in columns.items()}
        return Tallied(periods, columns, texts, persons)

    def shelf(self, look: Look, name: str) -> tuple[Texts, Shape] | None:
        """Where the parts of that name are, with the texts that they say by number; None once there were too many."""
        with self._lock:
            project = self._current(look)
            shape = project.shapes.setdefault(name, Shape())
            shape.used = time.monotonic()
            return None if shape.too_large else (project.texts, shape)

    def outdate(self, shape: Shape, keys: Iterable[Key]) -> None:
        """Drop what there is of the same times."""
        times = {key[1:] for key in keys}
        with self._lock:
            drop(shape, lambda key, _part: key[1:] in times)

    def give_up(self, shape: Shape) -> None:
        with self._lock:
            shape.too_large, shape.parts, shape.bytes = True, {}, 0

    def _current(self, look: Look) -> _Project:
        """Without what is not listed any more."""
        now = time.monotonic()
        project = self._projects.get(look.project_id)
        if project is None or now - project.begun > AGAIN_SECONDS:
            project = self._projects[look.project_id] = _Project()
        project.used = now
        live = frozenset(segment.sha256 for segment in look.segments)
        if live != project.live:
            for shape in project.shapes.values():
                drop(shape, lambda key, _part: bool(files_of(key) - live))
        project.live = live
        for each in self._projects.values():
            for name in [name for name, shape in each.shapes.items() if shape.used < now - UNUSED_SECONDS]:
                del each.shapes[name]
        texts = 0
        for number, each in sorted(self._projects.items(), key=lambda pair: -pair[1].used):
            texts += len(each.texts)
            if each is not project and (not each.shapes or texts > TEXTS_MOST):
                del self._projects[number]
        return project

    def _collected(
        self, look: Look, tally: Tally, texts: Texts, shape: Shape
    ) -> tuple[npt.NDArray[np.int32], dict[str, Column]]:
        starts = np.array(tally.starts, np.int64)
        found: list[tuple[int, Columns]] = []
        missing: list[Missing] = []
        now = time.monotonic()
        for source in _sources(look):
            base, key = _place(source, look.span, starts)
            part = shape.parts.get(key) if key is not None else None
            if part is None:
                missing.append((source, base, key))
            else:
                part.used = now
                found.append((base, part.columns))
        for some in _at_once(missing):
            for (_source, base, key), columns in zip(some, scanned(look, tally, texts, some), strict=True):
                found.append((base, columns))
                if key is not None:
                    self.keep(shape, key, columns)
        return _together(found, [*tally.keys, *tally.values])

    def keep(self, shape: Shape, key: Key, columns: Columns) -> None:
        """Raises `TooMany`."""
        now = time.monotonic()
        size = sum(column.nbytes + 100 for column in columns.values()) + 400
        with self._lock:
            if key not in shape.parts:
                if type(key[0]) is tuple:  # fresh rows as they were before are asked for no more
                    drop(shape, lambda other, _part: type(other[0]) is tuple and other[0] != key[0])
                shape.parts[key] = Part(columns, size, now)
                shape.bytes += size
            if shape.bytes > ONE_MOST:
                drop(shape, lambda _key, part: part.used < now - UNUSED_SECONDS)
            if shape.bytes > ONE_MOST:
                raise TooMany
            shapes = [(each.used, each) for project in self._projects.values() for each in project.shapes.values()]
            total = sum(each.bytes for _used, each in shapes)
            for _used, each in sorted(shapes, key=lambda pair: pair[0]):
                if total <= BYTES_MOST or each is shape:
                    break
                total -= each.bytes
                each.parts, each.bytes = {}, 0


def _sources(look: Look) -> Iterator[_Source]:
    for segment in look.overlapping:
        yield _Source(segment.sha256, segment.min_occurred_us, segment.max_occurred_us, segment.rows, segment)
    fresh: Fresh = look.fresh
    for table, kept in ((fresh.sealed, True), (fresh.opened, False)):
        if not table.num_rows:
            continue
        ends = pc.min_max(table["occurred_at"].cast(pa.int64()))
        first_us, last_us = ends["min"].as_py(), ends["max"].as_py()
        if not look.span.meets(first_us, last_us):
            continue
        key = ("fresh", frozenset((batch_id, rows) for batch_id, rows, *_times in fresh.bounds)) if kept else None
        yield _Source(key, first_us, last_us, table.num_rows, table=table)


def _place(source: _Source, span: Range, starts: npt.NDArray[np.int64]) -> tuple[int, Key | None]:
    """The period in which it begins, and what its part goes by."""
    cut_start = span.start_us if span.start_us is not None and span.start_us > source.first_us else None
    cut_end = span.end_us if span.end_us is not None and span.end_us <= source.last_us else None
    first_us = source.first_us if cut_start is None else cut_start
    last_us = source.last_us if cut_end is None else cut_end - 1
    base, last = (int(np.searchsorted(starts, us, side="right")) for us in (first_us, last_us))
    key = None if source.key is None else (source.key, cut_start, cut_end, tuple(starts[base:last].tolist()))
    return base - 1, key


def _at_once(missing: Sequence[Missing]) -> Iterator[list[Missing]]:
    some: list[Missing] = []
    rows = 0
    for each in missing:
        if some and rows + each[0].rows > ROWS_AT_ONCE:
            yield some
            some, rows = [], 0
        some.append(each)
        rows += each[0].rows
    if some:
        yield some


def scanned(look: Look, tally: Tally, texts: Texts, some: Sequence[Missing]) -> Iterable[dict[str, Column]]:
    """What each of these sources says, in their order."""
    tables = [source.table for source, _base, _key in some if source.table is not None]
    listed = [source.segment for source, _base, _key in some if source.segment is not None]
    by_period = any(key is None or key[3] for _source, _base, key in some)
    found = look.of_sources(listed, tables, tally.sql(by_period=by_period), tally.params)
    columns: dict[str, Column] = {}
    for name in found.column_names:
        column = found[name]
        columns[name] = texts.encoded(column) if pa.types.is_string(column.type) else column.to_numpy()
    sources = columns.pop("source")
    order = np.argsort(sources, kind="stable")
    edges = np.searchsorted(sources[order], np.arange(len(some) + 1))
    columns = {name: column[order] for name, column in columns.items()}
    for number, (_source, base, _key) in enumerate(some):
        part = {name: column[edges[number] : edges[number + 1]] for name, column in columns.items()}
        if by_period:
            sections = part.pop("period") - base
            if sections.any():
                part["section"] = sections
        yield {name: small(column) for name, column in part.items()}


def _together(
    found: Sequence[tuple[int, Columns]], names: Sequence[str]
) -> tuple[npt.NDArray[np.int32], dict[str, Column]]:
    lengths = [len(next(iter(columns.values()))) for _base, columns in found]
    periods = np.repeat(np.array([base for base, _columns in found], np.int32), lengths)
    at = 0
    for (_base, columns), length in zip(found, lengths, strict=True):
        if "section" in columns:
            periods[at : at + length] += columns["section"].astype(np.int32)
        at += length
    return periods, {
        name: np.concatenate([columns[name] for _base, columns in found]) for name in names
    } if found else {name: np.zeros(0, np.int64) for name in names}
