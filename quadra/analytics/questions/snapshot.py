"""The events of one project as of one moment, asked statement by statement, and what lenses have in common in their SQL."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

import msgspec
import pyarrow as pa
from msgspec import Struct

from quadra.analytics.questions.matching import Match, Parameters, no_bots, people_only
from quadra.analytics.questions.periods import DAY, Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.trait_columns import traits_in, traits_sql
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.warehouse.query.answer import Answer
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.people import says_person
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Tally

S = TypeVar("S")
Row = tuple[Any, ...]

SUCCEEDED = "coalesce(success, json_extract_string(fields, '/error_message') IS NULL)"
"""What does not say how it ended has succeeded, unless it came with a message about its failure."""


class Measures(TypedDict):
    computed_at: str
    rows_read: int
    elapsed_ms: float


class Measured(Struct, kw_only=True):
    """What every answer carries."""

    computed_at: Time
    rows_read: int
    """Rows in the files and fresh batches that were looked at."""
    elapsed_ms: float


@dataclass(frozen=True)
class Statement:
    sql: str
    params: Mapping[str, Any]


class Snapshot:
    """The events of one project and range as of one moment."""

    def __init__(self, runtime: Runtime, look: Look, question: Question):
        """Traits of people are as of the end of the question."""
        self.runtime = runtime
        self.look = look
        self._answers, self.partials = warehouse_of(runtime).answers, warehouse_of(runtime).partials
        self._told_by = told_by(question)
        self._traits: set[str] = set()
        self._began = time.perf_counter()
        self._at = clock.now()

    def ask(self, statement: Statement) -> Answer:
        """Columns, for answers of many rows."""
        began = time.perf_counter()
        sql, params = statement.sql, statement.params
        self.look = self.knowing(sql)
        table = self._answers.of(
            self.look, says_person(sql), (sql, params), lambda: self.look.query(sql, params).table, _size
        )
        return Answer(table, self.look.rows_read, round((time.perf_counter() - began) * 1000, 3))

    def put_together(
        self, statement: Statement, tallies: Callable[[], Sequence[Tally]], rows: Callable[..., list[Row]]
    ) -> list[Row]:
        """`all_put_together`, of one statement."""
        (found,) = self.all_put_together([statement], tallies, lambda *tallied: [rows(*tallied)])
        return found

    def all_put_together(
        self,
        statements: Sequence[Statement],
        tallies: Callable[[], Sequence[Tally]],
        rows: Callable[..., list[list[Row]]],
    ) -> list[list[Row]]:
        """The rows of statements, out of what each file says by itself, so that what is sealed is read once: `rows` makes the
        same of what is `Tallied` by each tally. Where parts cannot answer it, the statements are asked as they stand.
        """
        asked = [(statement.sql, statement.params) for statement in statements]
        text = "\n".join(sql for sql, _params in asked)
        self.look = self.knowing(text)

        def make() -> list[list[Row]]:
            found = [] if traits_in(text) else [self.partials.of(self.look, tally) for tally in tallies()]
            if not found or None in found:
                return [self.look.query(sql, params).rows for sql, params in asked]
            return rows(*found)

        def size(made: list[list[Row]]) -> int:
            return 200 * sum(map(len, made))

        return self._answers.of(self.look, says_person(text), ("rows", asked), make, size)

    def ask_anew(self, statement: Statement) -> Answer:
        """`ask`, of what is asked once: neither looked for among the answers that are kept nor put there."""
        self.look = self.knowing(statement.sql)
        return self.look.query(statement.sql, statement.params)

    def kept(self, made: Typed[S], asked: Sequence[object], make: Callable[[], S]) -> S:
        """What code makes of events and people, and takes long over. `asked` says all that it depends on beside them: of traits
        of people by the text of the condition that names them.
        """
        for sql in asked:
            self.look = self.knowing(sql) if isinstance(sql, str) else self.look
        found = self._answers.of(self.look, True, asked, lambda: msgspec.json.encode(make()), len)
        return made.decode(found)

    def within(self, span: Range) -> Snapshot:
        """Of a part of the range: what is kept of it is found whatever else was asked about beside it."""
        inner = copy.copy(self)
        inner.look, inner._traits = self.look.of(span), set(self._traits)
        return inner

    def knowing(self, sql: str) -> Look:
        """The look, with the traits of people that a statement names."""
        named = traits_in(sql)
        if self._traits.issuperset(named):
            return self.look
        self._traits.update(named)
        look, asked = self.look.whole(), traits_sql(sorted(self._traits), self._told_by)
        return self.look.beside(self._answers.of(look, True, asked, lambda: look.query(*asked).table, _size))

    def rows(self, statement: Statement) -> list[dict[str, Any]]:
        """Each row as column -> value."""
        found: list[dict[str, Any]] = self.ask(statement).table.to_pylist()
        return found

    def structs(self, rows: Typed[list[S]], statement: Statement) -> list[S]:
        """Each row as a struct; its columns are the fields."""
        return rows.convert(self.rows(statement))

    def measures(self) -> Measures:
        """So far: an answer takes them when it is made."""
        elapsed = round((time.perf_counter() - self._began) * 1000, 3)
        return {"computed_at": clock.iso(self._at), "rows_read": self.look.rows_read, "elapsed_ms": elapsed}


def told_by(question: Question) -> str:
    """The condition of events that tell the traits of people as of the end of the question."""
    return f"occurred_us < {question.end_us} AND {people_only(question.include_bots)}"


def _size(table: pa.Table) -> int:
    return int(table.get_total_buffer_size())


@contextmanager
def snapshot(
    runtime: Runtime, question: Question, span: Range, *, export: bool = False, moment: Look | None = None
) -> Iterator[Snapshot]:
    """Blocks. Of a question with a segment only the events of its people. `moment` is an open look at all of the project's
    events: whoever asks many questions opens one.

    Raises `Unavailable`: too many at once, too slow, too much memory, or the database is away.
    """
    segment = question.people
    wide = span if segment is None else segment.reach(question.range).around(span)
    opened = (
        warehouse_of(runtime).look(question.project_id, start_us=wide.start_us, end_us=wide.end_us, export=export)
        if moment is None
        else nullcontext(moment.of(wide))
    )
    with opened as look:
        if segment is None:
            yield Snapshot(runtime, look, question)
            return
        params = Parameters()
        members = Statement(segment.sql(question.range, params, question.include_bots), params)
        people = Snapshot(runtime, look, question).ask(members).table
        yield Snapshot(runtime, look.only(people, span), question)


def within(start_us: int, end_us: int) -> str:
    """The condition that an event occurred in [start, end), in the form that lets files be skipped."""
    return Range(start_us, end_us).sql


def where_clause(
    question: Question,
    params: Parameters,
    *,
    kind: str | None = None,
    bots: bool = True,
    people: bool = False,
    person: str = "person",
) -> str:
    """The condition of a question's filters and of a kind. Without `bots` they are left out unless asked for; `people`
    leaves out what is of nobody too, whose column of whose it is may be told.
    """
    conditions = [] if kind is None else [f"kind = '{kind}'"]
    if people:
        conditions.append(people_only(question.include_bots, person))
    elif not bots or question.include_bots is False:
        conditions.append(no_bots(question.include_bots))
    conditions.append(Match(where=question.where).sql(params))
    return " AND ".join(conditions)


def field(name: str) -> str:
    """A field of the kind's own, as text; the name is ours."""
    return f"json_extract_string(fields, '/{name}')"


def number(name: str) -> str:
    return f"TRY_CAST({field(name)} AS DOUBLE)"


def before(question: Question) -> Question:
    """What to compare with: the range that was asked for, else the one of the same length that ends where this one begins, of
    as many calendar days where it is made of those.
    """
    if question.then is not None:
        return replace(question, start_us=question.then.start_us or 0, end_us=question.then.end_us or 0)
    calendar, start, end = question.calendar, question.start_us, question.end_us
    first, last = calendar.day_of(start), calendar.day_of(end)
    if calendar.midnight(first) == start and calendar.midnight(last) == end:
        days = (last - first) // DAY
        return replace(question, start_us=max(calendar.midnight(first - days * DAY), 0), end_us=start)
    return replace(question, start_us=max(2 * start - end, 0), end_us=start)


def compared(question: Question) -> Range:
    """All that is looked at: the range and what it is compared with."""
    if question.alone:
        return question.range
    then = before(question)
    return Range(min(then.start_us, question.start_us), max(then.end_us, question.end_us))


def filled(made: Typed[list[S]], periods: Periods, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[S]:
    """One entry for each period; 0 where no row has its number."""
    found = {row["period"]: row for row in rows}
    return made.convert(
        [
            {"at": periods.at(at), **{name: found[at][name] if at in found else 0 for name in names}}
            for at in range(len(periods))
        ]
    )


def share(part: float, whole: float) -> float:
    """In per cent, as all rates are; 0 of nothing."""
    return part / whole * 100 if whole else 0.0


def iso(us: int | None) -> str | None:
    return None if us is None else clock.iso(clock.from_us(us))
