"""Several statements about one moment, and what the lenses that need them have in common."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from quadra.analytics.questions.matching import Match, Parameters
from quadra.analytics.questions.periods import DAY, Periods
from quadra.analytics.questions.question import Question
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import warehouse_of
from quadra.warehouse.look import Look
from quadra.warehouse.span import Range

SUCCEEDED = "coalesce(success, json_extract_string(fields, '/error_message') IS NULL)"
"""What does not say how it ended has succeeded, unless it came with a message about its failure."""


class Asking:
    """A look at the events of one project, asked statement by statement."""

    def __init__(self, look: Look):
        self.look = look
        self._began = time.perf_counter()
        self._at = clock.now()

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Each row as column -> value."""
        found: list[dict[str, Any]] = self.look.query(sql, params).table.to_pylist()
        return found

    def told(self, **body: Any) -> dict[str, Any]:
        """The answer as it is sent."""
        return {
            **body,
            "computed_at": clock.iso(self._at),
            "rows_read": self.look.rows_read,
            "elapsed_ms": round((time.perf_counter() - self._began) * 1000, 3),
        }


@contextmanager
def asking(
    runtime: Runtime, question: Question, *, start_us: int | None = None, ever: bool = False
) -> Iterator[Asking]:
    """About the range of the question; from `start_us` on where that is given, and with `ever` all before its end."""
    first = None if ever else question.start_us if start_us is None else start_us
    with warehouse_of(runtime).look(question.project_id, start_us=first, end_us=question.end_us) as look:
        yield Asking(look)


def within(start_us: int, end_us: int) -> str:
    """The condition that an event occurred in [start, end), in the form that lets files be skipped."""
    return Range(start_us, end_us).sql


def fitting(question: Question, params: Parameters, *, kind: str | None = None, people: bool = False) -> str:
    """The condition of a question's filters, of a kind, and of bots: `people` leaves them out unless asked for."""
    said = [] if kind is None else [f"kind = '{kind}'"]
    if question.include_bots is False or (people and not question.include_bots):
        said.append("NOT bot")
    said.append(Match(where=question.where).sql(params))
    return " AND ".join(said)


def field(name: str) -> str:
    """A field of the kind's own, as text; the name is ours."""
    return f"json_extract_string(fields, '/{name}')"


def number(name: str) -> str:
    return f"TRY_CAST({field(name)} AS DOUBLE)"


def before(question: Question) -> Question:
    """The range of the same length that ends where this one begins: as many calendar days where it is made of those."""
    calendar, start, end = question.calendar, question.start_us, question.end_us
    first, last = calendar.day_of(start), calendar.day_of(end)
    if calendar.midnight(first) == start and calendar.midnight(last) == end:
        days = (last - first) // DAY
        return replace(question, start_us=max(calendar.midnight(first - days * DAY), 0), end_us=start)
    return replace(question, start_us=max(2 * start - end, 0), end_us=start)


def filled(periods: Periods, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """One entry for each period; 0 where no row has its number."""
    found = {row["period"]: row for row in rows}
    return [
        {"at": periods.at(at), **{name: found[at][name] if at in found else 0 for name in names}}
        for at in range(len(periods))
    ]


def share(part: float, whole: float) -> float:
    """In per cent, as all rates are; 0 of nothing."""
    return part / whole * 100 if whole else 0.0


def iso(us: int | None) -> str | None:
    return None if us is None else clock.iso(clock.from_us(us))
