"""Who was there when, before a range, in the one before it and in it: one pass over the events for the lenses that need it.

SQL puts together when each person was there; how many people and sessions that makes is counted here, in columns: a third of
what it costs to sort the events of all people in SQL. `sessions` says where a session begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from quadra.analytics.questions.columns import BLOCK
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import UserNumbers
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, where_clause
from quadra.analytics.questions.visits import GAP_US

Numbers: TypeAlias = "npt.NDArray[np.int64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"

ROWS_AT_ONCE = 5_000_000
"""Of events that may be put together: what a list takes in memory cannot be spilled. More are asked for in parts, by person."""


class Counted(Struct, kw_only=True):
    """How many people there were until the end of a range, and in it."""

    people: UserNumbers
    visits: int
    average_seconds: float


@dataclass(frozen=True)
class Block:
    """Some people, and when they were there since a moment: each time with the number of its person, in order."""

    people: pa.Table
    """Columns `person`, `first_us`, `last_us`: of all time before the end of the range."""
    first_us: Numbers
    last_us: Numbers
    who: Numbers
    us: Numbers

    @property
    def another(self) -> Flags:
        """Where another person begins."""
        return begins(self.who)

    def inside(self, question: Question) -> Flags:
        """Which of those times lie in the range of a question."""
        return (self.us >= question.start_us) & (self.us < question.end_us)

    def each(self, inside: Flags) -> Numbers:
        """How many of those times each person has."""
        return np.bincount(self.who[inside], minlength=len(self.people))


def begins(column: Numbers | npt.NDArray[np.int32]) -> Flags:
    """Where a value differs from the one before; the first does."""
    found = np.ones(len(column), np.bool_)
    np.not_equal(column[1:], column[:-1], out=found[1:])
    return found


def histories(question: Question, since_us: int, part: int = 0, parts: int = 1) -> Statement:
    """Rows (person, first_us, last_us, history), one a person; a history is sorted, and begins at `since_us`."""
    params = Parameters()
    some = "" if parts == 1 else f" AND hash(person) % {parts} = {part}"
    sql = f"""
        SELECT person, min(occurred_us) AS first_us, max(occurred_us) AS last_us,
            list_sort(list(occurred_us) FILTER (WHERE occurred_us >= {since_us})) AS history
        FROM events WHERE {where_clause(question, params, people=True)}{some} GROUP BY person"""
    return Statement(sql, params)


def blocks(events: Snapshot, question: Question, since_us: int) -> Iterator[Block]:
    """All people of a look at all that is before the end of the question."""
    parts = max(-(-events.look.rows_read // ROWS_AT_ONCE), 1)
    for part in range(parts):
        statement = histories(question, since_us, part, parts)
        table = events.look.query(statement.sql, statement.params).table
        for start in range(0, table.num_rows, BLOCK):
            yield _block(table.slice(start, BLOCK))


class Presence:
    """People and sessions of two ranges, counted block by block."""

    def __init__(self, then: Question, now: Question):
        self._both = (then, now)
        self._found = np.zeros((2, 5), np.int64)
        """Of both: people ever, active, new, sessions, microseconds of them."""

    def add(self, block: Block) -> None:
        pauses = np.diff(block.us, prepend=0)
        for row, question in enumerate(self._both):
            ever, inside = block.first_us < question.end_us, block.inside(question)
            goes_on = ~block.another & (pauses <= GAP_US) & (block.us - pauses >= question.start_us) & inside
            self._found[row] += (
                np.count_nonzero(ever),
                np.count_nonzero(block.each(inside)),
                np.count_nonzero(ever & (block.first_us >= question.start_us)),
                np.count_nonzero(inside) - np.count_nonzero(goes_on),
                pauses[goes_on].sum(),
            )

    def counted(self) -> tuple[Counted, Counted]:
        """Of the first range and of the second."""
        one, other = (_counted(*row) for row in self._found.tolist())
        return one, other


class Days:
    """How many people were there in each period of a range."""

    def __init__(self, periods: Periods):
        self._starts = np.array(periods.starts, np.int64)
        self.people = np.zeros(len(periods), np.int64)

    def index(self, us: Numbers) -> Numbers:
        """The number of the period; -1 before the first."""
        return np.searchsorted(self._starts, us, side="right").astype(np.int64) - 1

    def add(self, block: Block, inside: Flags) -> tuple[Numbers, Numbers]:
        """Counts those of `inside`; gives each (person, period) once."""
        who, periods = block.who[inside], self.index(block.us[inside])
        first = begins(who) | begins(periods)
        who, periods = who[first], periods[first]
        self.people += np.bincount(periods, minlength=len(self.people))
        return who, periods


def _block(table: pa.Table) -> Block:
    history = table["history"].combine_chunks()
    first_us, last_us = (table[name].to_numpy() for name in ("first_us", "last_us"))
    who = pc.list_parent_indices(history).to_numpy().astype(np.int64)
    return Block(table, first_us, last_us, who, history.flatten().to_numpy())


def _counted(ever: int, active: int, new: int, visits: int, us: int) -> Counted:
    people = UserNumbers(total=ever, active=active, new=new, returning=active - new)
    return Counted(people=people, visits=visits, average_seconds=us / visits / 1e6 if visits else 0.0)
