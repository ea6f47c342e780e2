"""What is counted of each file by itself, and what all files of a range say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from quadra.warehouse.query.texts import Codes, Texts

Column: TypeAlias = "npt.NDArray[Any]"
Columns: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What is counted of each file by itself."""

    keys: Mapping[str, str]
    """Name -> expression: what is counted by, beside the period. Texts come back as codes."""
    values: Mapping[str, str]
    """Name -> aggregate, never NULL. It may name what was `taken`."""
    where: str
    params: Mapping[str, Any]
    starts: Sequence[int]
    """Of the periods, in order. Each event belongs to the last that begins before it, or to -1."""
    period_sql: str
    """The number of the period of an event that is in one."""
    taken: Mapping[str, str] = field(default_factory=dict)
    """Name -> expression that an aggregate needs."""

    @cached_property
    def shape(self) -> str:
        """All that parts of a file have in common whatever the range is."""
        return repr((self.keys, self.values, self.taken, self.where, self.params))

    def sql(self, *, by_period: bool) -> str:
        """Of rows that have a `source`. Where each source lies in one period there is no need to count by it."""
        period = f"CASE WHEN occurred_us < {self.starts[0]} THEN -1 ELSE {self.period_sql} END AS period"
        taken = ["source", *(f"{sql} AS {name}" for name, sql in {**self.keys, **self.taken}.items())]
        found = ["source", *self.keys, *(f"{sql} AS {name}" for name, sql in self.values.items())]
        if by_period:
            taken.append(period)
            found.append("period")
        return f"SELECT {', '.join(found)} FROM (SELECT {', '.join(taken)} FROM events WHERE {self.where}) GROUP BY ALL"


@dataclass(frozen=True)
class Tallied:
    """What all files and fresh rows of a range say: one row for each that says something."""

    periods: npt.NDArray[np.int32]
    columns: Columns
    texts: Texts
    persons: Codes
    """The code of an id -> the code of whose it is; empty where nothing is counted by `id`."""
