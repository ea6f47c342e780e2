"""What people did, each in the order of time, as integers: texts are numbered piece by piece while they are read, and NumPy sorts
the numbers. It takes a third of what lists of texts take in SQL, and no more memory than the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.presence import Numbers
from quadra.warehouse.query.snapshot import Look

ROWS_AT_ONCE = 2_000_000
"""Of events in memory, at some 30 bytes; more are read in parts, by person."""
ROWS_READ = 100_000
"""A piece, of which the texts are in memory."""

Column: TypeAlias = "npt.NDArray[Any]"
Codes: TypeAlias = "npt.NDArray[np.int32]"
"""Half as wide as `Numbers`: they are put in order often, and multiplied never."""


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


def timelines(look: Look, columns: Sequence[str], where: str, params: Parameters) -> Iterator[Timeline]:
    """Of the events of people that fit, a person in one timeline alone. `columns` are expressions with their names."""
    parts = max(-(-look.rows_read // ROWS_AT_ONCE), 1)
    listed = ", ".join(["person", "occurred_us AS us", *columns])
    for part in range(parts):
        some = "" if parts == 1 else f" AND hash(person) % {parts} = {part}"
        yield _ordered(_read(look, f"SELECT {listed} FROM events WHERE {where}{some}", params))


def _read(look: Look, sql: str, params: Parameters) -> dict[str, pa.ChunkedArray]:
    pieces: dict[str, list[pa.Array]] = {}
    for batch in look.stream(sql, params, timeout=look.timeout, rows=ROWS_READ):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            texts = pa.types.is_string(column.type)
            pieces.setdefault(name, []).append(pc.dictionary_encode(column) if texts else column)
    return {name: pa.chunked_array(each).unify_dictionaries() for name, each in pieces.items()}


def _ordered(columns: dict[str, pa.ChunkedArray]) -> Timeline:
    if not columns or not len(columns["us"]):
        nothing = np.zeros(0, np.int64)
        return Timeline(pa.array([], pa.string()), nothing.astype(np.int32), nothing, {}, {})
    who, us = _coded(columns.pop("person")), columns.pop("us").to_numpy()
    begin = int(us.min())
    bits = (int(us.max()) - begin).bit_length()
    if bits + len(who.values).bit_length() < 63:
        order = np.argsort((who.codes.astype(np.int64) << bits) | (us - begin))
    else:
        order = np.lexsort((us, who.codes))
    texts, others = {}, {}
    for name in list(columns):
        column = columns.pop(name)
        if pa.types.is_dictionary(column.type):
            coded = _coded(column)
            texts[name] = Coded(coded.codes[order], coded.values)
        else:
            others[name] = column.to_numpy()[order]
    return Timeline(who.values, who.codes[order], us[order], texts, others)


def _coded(column: pa.ChunkedArray) -> Coded:
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks]
    return Coded(np.concatenate(codes), column.chunk(0).dictionary)
