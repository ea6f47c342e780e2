"""One look at the events of a project: the relation `events` as of one moment, and statements about it within bounds."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from quadra.core.errors import Unavailable
from quadra.warehouse.query.answer import Answer, Cancelled
from quadra.warehouse.query.duck import arrow, exactly, quoted
from quadra.warehouse.query.fresh import Fresh, digest
from quadra.warehouse.query.lateness import interrupted_after
from quadra.warehouse.query.parts import days_of, parts_of
from quadra.warehouse.query.people import Identities, Known, Moment, People, says_person
from quadra.warehouse.query.relation import events_sql, in_order, sourced_sql
from quadra.warehouse.query.span import Range
from quadra.warehouse.segments.catalogue import DAY_US, Listed
from quadra.warehouse.segments.complete import Columns
from quadra.warehouse.segments.soundness import Soundness
from quadra.warehouse.segments.writing import files

STREAM_SECONDS = 1_800.0
"""How long an export may take. Less than the grace that replaced files have."""
STREAM_ROWS = 2_000
SAVED_ROWS = 10_240
"""Of a row group: each thread holds one, unpacked."""
STATEMENT_MOST = 2_000_000
"""Characters of a statement. What planning takes is not under DuckDB's memory limit: it grows with the statement."""


class Elsewhere(Protocol):
    """Another engine, which answers the statements of a look."""

    def ask(self, look: Look, sql: str, params: Mapping[str, Any], seconds: float, /) -> pa.Table: ...


class Look:
    """The events of one project and range as of one moment. Ask from one thread; `cancel` from any."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        soundness: Soundness,
        people: People,
        columns: Columns,
        project_id: int,
        segments: Sequence[Listed],
        fresh: Fresh,
        span: Range,
        timeout: float,
        elsewhere: Elsewhere | None = None,
        kept_us: int | None = None,
    ):
        self.cursor = cursor
        self._soundness = soundness
        self._late = threading.Event()
        self._columns = columns
        self.project_id = project_id
        self.segments = segments
        """All of the project, whatever range is asked."""
        self._span = span
        self._kept_us = kept_us
        self.fresh = fresh
        """What no compaction has taken, whatever range is asked."""
        self._timeout = timeout
        self._moment = Moment(people, cursor, project_id, self.files, fresh)
        self.chosen: pa.Table | None = None
        """The people (a column `person`) whose events alone are seen."""
        self.traits: pa.Table | None = None
        """What is known of people: a column `person`, and others that each of their events has too."""
        self.elsewhere: Elsewhere | None = elsewhere
        self.overlapping = [segment for segment in segments if span.overlaps(segment)]

    @property
    def rows_read(self) -> int:
        """Of all files and fresh batches that a question about the range looks at."""
        fresh: int = self.fresh.sealed.num_rows + self.fresh.opened.num_rows
        return fresh + sum(segment.rows for segment in self.overlapping)

    def query(self, sql: str, params: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Answer:
        """Ask; `$name` in the statement is a parameter. Values of others never stand in `sql` itself. Raises `Unavailable`."""
        began = time.perf_counter()
        if self.elsewhere is not None:
            table = self.elsewhere.ask(self, sql, params or {}, timeout or self._timeout)
            return Answer(table, self.rows_read, round((time.perf_counter() - began) * 1000, 3))
        with self._bounded(timeout or self._timeout) as late:
            self._prepare(sql)
            if late.is_set():  # files came from afar, and nothing was running yet that could be interrupted
                raise duckdb.InterruptException
            table = arrow(self.cursor, sql, params)
        return Answer(table, self.rows_read, round((time.perf_counter() - began) * 1000, 3))

    def of_sources(
        self, segments: Sequence[Listed], tables: Sequence[pa.Table], sql: str, params: Mapping[str, Any]
    ) -> pa.Table:
        """The answer of `sql` about these files and fresh rows alone. There `events` has a column `source`, the place of a row's
        among them, files first; it has no `person`.
        """
        with self._bounded(self._timeout) as late:
            paths = self._paths(segments)
            complete, older = self._columns.split(self.cursor, paths)
            named = {f"source_{number}": table for number, table in enumerate(tables)}
            for name, table in named.items():
                self.cursor.register(name, table)
            held = all(self._span.holds(segment) for segment in segments)
            relation = sourced_sql(complete, older, "true" if held else self._span.sql, list(named), self._span.sql)
            if late.is_set():
                raise duckdb.InterruptException
            found = arrow(self.cursor, f"WITH events AS ({relation}) {sql}", params)
        return in_order(found, paths, [*complete, *older], len(tables))

    def stream(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float = STREAM_SECONDS,
        rows: int = STREAM_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """The answer piece by piece, `rows` at most: for what does not fit into memory."""
        with self._bounded(timeout) as late:
            self._prepare(sql)
            reader: pa.RecordBatchReader = self.cursor.sql(sql, params=dict(params or {})).to_arrow_reader(rows)
            for batch in reader:
                if late.is_set():  # whoever takes the pieces is slow, and DuckDB was not running
                    raise duckdb.InterruptException
                yield batch

    def stream_by_day(
        self, sql: str, params: Mapping[str, Any] | None = None, passed: Callable[[float], None] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """`stream`, the statement being asked of one UTC day after another: what it sorts is never more than a day. `passed` is
        told after each which part of the days is done.
        """
        until = time.monotonic() + STREAM_SECONDS
        if says_person(sql):
            with self._bounded(STREAM_SECONDS):
                self.known  # noqa: B018  of all days at once
        days = list(self._days())
        for number, day in enumerate(days, start=1):
            for span in parts_of(day.query):
                yield from day.of(span).stream(sql, params, timeout=max(0.001, until - time.monotonic()))
            if passed is not None:
                passed(number / len(days))

    def save(self, sql: str, params: Mapping[str, Any] | None, path: Path) -> None:
        """The answer as a Parquet file, written as it is found; `path` is below the directory for DuckDB's own files."""
        with self._bounded(STREAM_SECONDS):
            self._prepare(sql)
            self.cursor.execute(
                f"COPY ({sql}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {SAVED_ROWS})",
                dict(params or {}),
            )

    def only(self, people: pa.Table, span: Range) -> Look:
        """The same moment: only the events of these people (a column `person`), and only those of a shorter range."""
        self._register("chosen_people", people)
        look = self.of(span)
        look.chosen = people
        return look

    def whole(self) -> Look:
        """The same moment: everybody's events of all of history that is kept."""
        look = copy.copy(self)
        look._span, look.chosen, look.traits = Range(self._kept_us, None), None, None
        look.overlapping = [segment for segment in self.segments if look._span.overlaps(segment)]
        return look

    def beside(self, traits: pa.Table) -> Look:
        """The same events, each with what is known of its person (a column `person`, and others)."""
        self._register("traits", traits)
        look = self.of(self._span)
        look.traits = traits
        return look

    def _register(self, name: str, table: pa.Table) -> None:
        self.cursor.register(name, table)
        self._moment.view = ""  # DuckDB refuses a view over a table that has other columns since it was made

    def of(self, span: Range) -> Look:
        """Of a range within this one, and of the same moment."""
        look = copy.copy(self)
        look._span = self._span.within(span.start_us, span.end_us)
        look.overlapping = [segment for segment in self.overlapping if look._span.overlaps(segment)]
        return look

    def until(self, moment: float) -> Look:
        """The same, whose questions end at that time of the monotonic clock at the latest."""
        look = copy.copy(self)
        look._timeout = max(min(self._timeout, moment - time.monotonic()), 0.001)
        return look

    def _days(self) -> Iterator[Look]:
        """One for each day that has events, of the same moment."""
        for number in days_of(self.overlapping, (self.fresh.sealed, self.fresh.opened)):
            yield self.of(Range(number * DAY_US, (number + 1) * DAY_US))

    @property
    def span(self) -> Range:
        return self._span

    def files(self) -> list[tuple[Listed, str]]:
        """Every segment of the project, whatever range is asked, with its path."""
        return list(zip(self.segments, self._paths(self.segments), strict=True))

    def relation(self, sql: str) -> tuple[str, dict[str, pa.Table], list[str]]:
        """For a DuckDB elsewhere: the view `events` for this statement, the tables that it names, the files that it reads."""
        with self._bounded(self._timeout):
            view, paths = self._events(says_person(sql)), self._paths(self.overlapping)
            tables = {"fresh": self.fresh.table, "chosen_people": self.chosen}
            if says_person(sql) or self.chosen is not None:
                tables |= {"people": self.known.people, "stale_identities": self.known.stale_identities}
        named = {name: table for name, table in tables.items() if table is not None}
        return view, named, [*paths, *map(exactly, paths)]

    def cancel(self) -> None:
        with suppress(duckdb.ConnectionException):  # it was closed this moment
            self.cursor.interrupt()

    @property
    def timeout(self) -> float:
        return self._timeout

    def state(self, who: bool) -> tuple[object, ...] | None:
        """What the events of this range are made of, and with `who` who did them: the same twice is the same rows. None where
        another engine answers. A file that is missing or damaged is told as by any question.
        """
        if self.elsewhere is not None:
            return None
        with self._bounded(self._timeout):
            self._paths(self.overlapping)
            whose = who or self.chosen is not None or self.traits is not None
            known = self._moment.identities.version if whose else 0
        of_people = [None if table is None else digest(table) for table in (self.chosen, self.traits)]
        listed = [(segment.id, segment.sha256) for segment in self.overlapping]
        span = (self._span.start_us, self._span.end_us)
        return (self.project_id, span, listed, self.fresh.state(self._span), who, known, of_people)

    def _prepare(self, sql: str) -> None:
        """Make the relation. It has a column `person` only for statements that say the word: who is who has its price."""
        if len(sql) > STATEMENT_MOST:
            raise Unavailable("The question is too long to be planned; ask about less.", code="query_too_large")
        view = self._events(says_person(sql))
        if view != self._moment.view:
            self.cursor.execute(f"CREATE OR REPLACE TEMP VIEW events AS {view}")
            self._moment.view = view

    def _events(self, who: bool) -> str:
        whole = [segment for segment in self.overlapping if self._span.holds(segment)]
        partial = [segment for segment in self.overlapping if not self._span.holds(segment)]
        sources = [("fresh", self._span.sql)]
        for segments, condition in ((whole, "true"), (partial, self._span.sql)):
            complete, older = self._columns.split(self.cursor, self._paths(segments))
            sources += [(files(complete, complete=True), condition)] if complete else []
            sources += [(files(older), condition)] if older else []
        some, more = self.chosen is not None, self.traits is not None
        return events_sql(sources, lambda: self.known, who=who, chosen=some, traits=more)

    def _paths(self, segments: Sequence[Listed]) -> list[str]:
        paths = self._soundness.require(segments, late=self._late.is_set)
        if self._late.is_set():  # then some of them are not compared
            raise duckdb.InterruptException
        return [str(path) for path in paths]

    def identities(self) -> Identities:
        """Who is who. Bounded as a question is."""
        with self._bounded(self._timeout):
            return self._moment.identities

    @property
    def known(self) -> Known:
        """Of the files of this range."""
        return self._moment.known(list(zip(self.overlapping, self._paths(self.overlapping), strict=True)))

    @contextmanager
    def _bounded(self, seconds: float) -> Iterator[threading.Event]:
        self._late = late = threading.Event()
        try:
            with interrupted_after(self.cursor, seconds, late):
                yield late
        except duckdb.InterruptException as error:
            if late.is_set():
                message = f"The question took longer than {seconds:g} s; ask about less."
                raise Unavailable(message, code="query_timeout") from error
            raise Cancelled from error
        except duckdb.OutOfMemoryException as error:
            message = "The question needs more memory than QUADRA_QUERY_MEMORY_MB allows; ask about less."
            raise Unavailable(message, code="query_too_large") from error
        except duckdb.Error:  # a damaged page has no error of its own: any may mean it
            self._soundness.require_again(self.segments)
            raise
