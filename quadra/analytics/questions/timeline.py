"""What people did, each in the order of time, as integers: texts are numbered piece by piece while they are read, and NumPy sorts
the numbers. It takes a third of what lists take in SQL, and no more memory than the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions.matching import Parameters
from quadra.warehouse.query.snapshot import Look

ROWS_AT_ONCE = 2_000_000
"""Of events in memory, at some 30 bytes; more are read in parts, by person."""
ROWS_READ = 100_000
"""A piece, of which the texts are in memory."""
ROWS_NEAR = 65_536
"""Events of a piece whose columns stay near the processor."""
PLACES = 64
"""Pieces of time to a period, of which all but the one with its edge are in one period."""

Column: TypeAlias = "npt.NDArray[Any]"
Codes: TypeAlias = "npt.NDArray[np.int32]"
"""Half as wide as `Numbers`: they are put in order often, and multiplied never."""
Numbers: TypeAlias = "npt.NDArray[np.int64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"


@dataclass(frozen=True)
class Coded:
    """Texts by number; -1 is none."""

    codes: Codes
    values: pa.Array


@dataclass(frozen=True)
class Timeline:
    people: pa.Array
    who: Codes
    """The number of the person."""
    us: Numbers
    texts: dict[str, Coded]
    others: dict[str, Column]
    """Numbers and flags."""

    def pieces(self, *columns: Column) -> Iterator[tuple[Any, ...]]:
        """The same without texts, some people at a time, each with that part of columns: what is made of so few stays near the
        processor.
        """
        edges = np.append(np.flatnonzero(begins(self.who)), len(self.us))
        at = np.unique(
            edges[np.searchsorted(edges, np.arange(0, len(self.us) + ROWS_NEAR, ROWS_NEAR)).clip(max=len(edges) - 1)]
        )
        for start, end in pairwise(at.tolist()):
            part = slice(start, end)
            yield Timeline(self.people, self.who[part], self.us[part], {}, {}), *(column[part] for column in columns)


def begins(column: Numbers | Codes) -> Flags:
    """Where a value differs from the one before; the first does."""
    found = np.ones(len(column), np.bool_)
    np.not_equal(column[1:], column[:-1], out=found[1:])
    return found


class Places:
    """Which of many periods a time is in: found by its first bits, and searched for only near an edge of two periods."""

    def __init__(self, starts: Sequence[int]):
        self._starts = np.array(starts, np.int64)
        self._begin = starts[0] if starts else 0
        length = (starts[-1] - self._begin if starts else 0) + 1
        self._shift = max((length // (PLACES * max(len(starts), 1))).bit_length(), 1)
        edges = self._begin + (np.arange((length >> self._shift) + 2, dtype=np.int64) << self._shift)
        first, last = self._searched(edges), self._searched(edges + ((1 << self._shift) - 1))
        self._found = np.where(first == last, first, -2).astype(np.int32)

    def of(self, us: Numbers) -> Codes:
        """The number of the period; -1 before the first."""
        at = (us - self._begin) >> self._shift
        found: Codes = self._found[np.clip(at, 0, len(self._found) - 1, out=at)]
        unclear = np.flatnonzero((found < 0) | (us < self._begin))
        found[unclear] = self._searched(us[unclear])
        return found

    def _searched(self, us: Numbers) -> Codes:
        return (np.searchsorted(self._starts, us, side="right") - 1).astype(np.int32)


def listed(columns: Sequence[str], where: str, source: str = "events", person: str = "person") -> str:
    """The statement of what is read."""
    return f"SELECT {', '.join([f'{person} AS whose', 'occurred_us AS us', *columns])} FROM {source} WHERE {where}"


def timelines(
    look: Look,
    columns: Sequence[str],
    where: str,
    params: Parameters,
    *,
    rows: int | None = None,
    source: str = "events",
) -> Iterator[Timeline]:
    """Of the events of people that fit, a person in one timeline alone. `columns` are expressions with their names; `rows` are
    held at once.
    """
    parts = parts_of(look, rows or ROWS_AT_ONCE)
    for part in range(parts):
        yield in_order(read(look, listed(columns, where + of_part(part, parts), source), params))


def parts_of(look: Look, rows: int) -> int:
    return max(-(-look.rows_read // rows), 1)


def of_part(part: int, parts: int) -> str:
    """What a condition ends with, of one part of all people."""
    return "" if parts == 1 else f" AND hash(person) % {parts} = {part}"


def read(look: Look, sql: str, params: Parameters) -> Timeline:
    """What a statement of `listed` says, in no order."""
    pieces: dict[str, list[pa.Array]] = {}
    for batch in _batches(look, sql, params):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            texts = pa.types.is_string(column.type)
            pieces.setdefault(name, []).append(pc.dictionary_encode(column) if texts else column)
    columns = {name: pa.chunked_array(each).unify_dictionaries() for name, each in pieces.items()}
    if not columns or not len(columns["us"]):
        nothing = np.zeros(0, np.int64)
        return Timeline(pa.array([], pa.string()), nothing.astype(np.int32), nothing, {}, {})
    whose, us, texts, others = _coded(columns.pop("whose")), columns.pop("us").to_numpy(), {}, {}
    for name in list(columns):
        column = columns.pop(name)
        if pa.types.is_dictionary(column.type):
            texts[name] = _coded(column)
        else:
            others[name] = column.to_numpy()
    return Timeline(whose.values, whose.codes, us, texts, others)


def _batches(look: Look, sql: str, params: Parameters) -> Iterator[pa.RecordBatch]:
    if look.elsewhere is None:
        return look.stream(sql, params, timeout=look.timeout, rows=ROWS_READ)
    return iter(look.query(sql, params).table.to_batches(max_chunksize=ROWS_READ))


def in_order(timeline: Timeline, *, stable: bool = False) -> Timeline:
    """By person and time; where it is `stable`, what is of one instant stays in its order."""
    people, who, us = timeline.people, timeline.who, timeline.us
    if not len(us):
        return timeline
    begin = int(us.min())
    bits = (int(us.max()) - begin).bit_length()
    packs = bits + int(who.max()).bit_length() < 63
    packed = (who.astype(np.int64) << bits) | (us - begin) if packs else us
    if packs and not timeline.texts and not timeline.others:
        packed.sort()
        return Timeline(people, (packed >> bits).astype(np.int32), (packed & ((1 << bits) - 1)) + begin, {}, {})
    order = np.argsort(packed, stable=stable) if packs else np.lexsort((us, who))
    texts = {name: Coded(each.codes[order], each.values) for name, each in timeline.texts.items()}
    others = {name: column[order] for name, column in timeline.others.items()}
    return Timeline(people, who[order], us[order], texts, others)


def _coded(column: pa.ChunkedArray) -> Coded:
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks]
    return Coded(np.concatenate(codes), column.chunk(0).dictionary)
