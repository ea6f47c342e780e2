"""Where parts of questions are kept, and what they go by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from quadra.warehouse.query.tally import Column, Columns


@dataclass(frozen=True)
class Several:
    """Some files and fresh rows, as the source of one part."""

    files: frozenset[str]
    fresh: object


Key = tuple[object, int | None, int | None, tuple[int, ...]]
"""What a part goes by: its source, where that is cut, and which periods begin inside it."""


@dataclass
class Part:
    columns: Columns
    """`section` says which of the periods that a source overlaps a row is in; it is left out where there is one."""
    bytes: int
    used: float


@dataclass
class Shape:
    parts: dict[Key, Part] = field(default_factory=dict)
    bytes: int = 0
    begun: float = field(default_factory=time.monotonic)
    used: float = 0.0
    too_large: bool = False


def files_of(key: Key) -> frozenset[str]:
    """The hashes of the files that a part was made of."""
    source = key[0]
    if isinstance(source, Several):
        return source.files
    return frozenset([source]) if isinstance(source, str) else frozenset()


def drop(shape: Shape, wanted: Callable[[Key, Part], bool]) -> None:
    for key in [key for key, part in shape.parts.items() if wanted(key, part)]:
        shape.bytes -= shape.parts.pop(key).bytes


def small(column: Column) -> Column:
    """A copy as narrow as its numbers allow, which keeps nothing of other parts alive."""
    if column.dtype.kind not in "iu" or not len(column):
        return column.copy()
    return column.astype(np.result_type(np.min_scalar_type(column.min()), np.min_scalar_type(column.max())))
