"""The identity map of each project, kept between questions.

A segment has a column `person`, as known when it was written. What was learnt since then is a short list of stale identities: ids
that in some file may bear another name than they have now. Only those are joined to the files. One too many costs a
little time and changes nothing, since it is given the name it has now.
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from quadra.ingest.placeholders import ALIASES
from quadra.warehouse.query.duck import arrow
from quadra.warehouse.query.file_links import FileLinks, Placed
from quadra.warehouse.query.fresh import Fresh
from quadra.warehouse.query.links import links_in, links_schema, nobody, resolve
from quadra.warehouse.segments.writing import files

AGAIN_SECONDS = 3_600.0
"""After which stale identities are searched again: files merged since then hold the names of that time."""


@dataclass(frozen=True, slots=True)
class Identities:
    """As of one snapshot."""

    people: pa.Table
    """id -> person, for every id that is not the person's name."""
    version: int
    """Of this process: the same twice is the same `people`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What statements join: the tables of these names."""

    people: pa.Table
    stale_identities: pa.Table
    """The part of it, and of names that hold no more, that files may not know."""


@dataclass
class _Project:
    lock: threading.Lock = field(default_factory=threading.Lock)
    file_links: FileLinks = field(default_factory=FileLinks)
    sealed: weakref.ref[pa.Table] | None = None
    """Not kept for its own sake: it may be all that a compaction read."""
    sealed_links: pa.Table = field(default_factory=lambda: links_schema().empty_table())
    """Of `sealed`, the fresh rows that stay the same from question to question."""
    sealed_version: int = 0
    basis: object = None
    """What `people` was made of."""
    version: int = 0
    people: pa.Table = field(default_factory=nobody)
    compared: pa.Table = field(default_factory=nobody)
    """The `people` that the names in files were compared with last."""
    stale_identities: set[str] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)
    """Segments whose names were compared."""
    begun: float = field(default_factory=time.monotonic)


class People:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._projects: dict[int, _Project] = {}

    def of(self, cursor: duckdb.DuckDBPyConnection, project_id: int, segments: Placed, fresh: Fresh) -> Identities:
        """`segments` are all live ones of the project, with their paths."""
        project = self._project(project_id)
        with project.lock:
            project.people = self._people(cursor, project, [pair for pair in segments if pair[0].links], fresh)
            return Identities(project.people, project.version)

    def named(
        self,
        cursor: duckdb.DuckDBPyConnection,
        project_id: int,
        segments: Placed,
        identities: Identities,
    ) -> Known:
        """With what these files may not know. Takes reading them where somebody is somebody else now."""
        project, people = self._project(project_id), identities.people
        with project.lock:
            if time.monotonic() - project.begun > AGAIN_SECONDS:
                project.stale_identities, project.checked, project.begun = set(), set(), time.monotonic()
            cursor.register("people", people)
            _find_stale(cursor, project, people, segments)
            project.compared = people
            known = Known(people, _named(cursor, project.stale_identities, people))
            cursor.register("stale_identities", known.stale_identities)
            return known

    def _project(self, project_id: int) -> _Project:
        with self._lock:
            return self._projects.setdefault(project_id, _Project())

    def _people(self, cursor: duckdb.DuckDBPyConnection, project: _Project, linking: Placed, fresh: Fresh) -> pa.Table:
        if project.sealed is None or project.sealed() is not fresh.sealed:
            project.sealed, project.sealed_links = weakref.ref(fresh.sealed), _links_of(cursor, fresh.sealed)
            project.sealed_version += 1
        opened = _links_of(cursor, fresh.opened)
        basis = (
            frozenset(segment.id for segment, _path in linking),
            project.sealed_version if project.sealed_links.num_rows else 0,
            frozenset(zip(*(opened[name].to_pylist() for name in links_schema().names), strict=True)),
        )
        if basis == project.basis:
            return project.people
        project.basis = basis
        project.version += 1
        return resolve(cursor, [*project.file_links.of(cursor, linking), project.sealed_links, opened])


@dataclass
class Moment:
    """What the looks at one moment have in common: they ask over one cursor."""

    people: People
    cursor: duckdb.DuckDBPyConnection
    project_id: int
    files: Callable[[], Placed]
    fresh: Fresh
    view: str = ""
    """What `events` is defined as over there."""
    _known: tuple[set[str], Known] | None = None

    @cached_property
    def identities(self) -> Identities:
        """From all of history, whatever range is asked."""
        return self.people.of(self.cursor, self.project_id, self.files(), self.fresh)

    def known(self, segments: Placed) -> Known:
        """With what these files may not know, or more."""
        asked = {segment.id for segment, _path in segments}
        if self._known is None or not asked <= self._known[0]:
            self._known = asked, self.people.named(self.cursor, self.project_id, segments, self.identities)
        return self._known[1]


def _links_of(cursor: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    differ = pc.not_equal(rows["anonymous_id"], rows["user_id"])
    aliases = pc.is_in(rows["event_type"], value_set=pa.array(ALIASES))
    rows = rows.filter(pc.or_kleene(differ, aliases))
    if not rows.num_rows:  # as in the open batches of most questions: then DuckDB has nothing to do
        return links_schema().empty_table()
    cursor.register("linking", rows)
    found = links_in(cursor, "linking")
    cursor.unregister("linking")
    return found


def _find_stale(cursor: duckdb.DuckDBPyConnection, project: _Project, people: pa.Table, segments: Placed) -> None:
    """Add what changed since the last question, and what of these files was not compared yet. `people` is registered."""
    known = [path for segment, path in segments if segment.id in project.checked]
    new = [(segment, path) for segment, path in segments if segment.id not in project.checked]
    if people is not project.compared:
        project.checked &= {segment.id for segment, _path in segments}  # all others as soon as they are asked
    if people is not project.compared and known:
        cursor.register("people_before", project.compared)
        changed = "(FROM people EXCEPT FROM people_before) UNION ALL (FROM people_before EXCEPT FROM people)"
        # most whose name is new came since the files were written: what stands in no file need not be joined to them
        differing = f"SELECT DISTINCT user_id AS id FROM {files(known)} WHERE user_id IN (SELECT id FROM ({changed}))"
        project.stale_identities.update(arrow(cursor, differing)["id"].to_pylist())
        cursor.unregister("people_before")
    if new:
        differing = f"""
            SELECT DISTINCT user_id AS id FROM {files([path for _segment, path in new])} AS rows
            LEFT JOIN people ON people.id = rows.user_id
            WHERE rows.person IS DISTINCT FROM coalesce(people.person, rows.user_id)"""
        project.stale_identities.update(arrow(cursor, differing)["id"].to_pylist())
        project.checked.update(segment.id for segment, _path in new)


def _named(cursor: duckdb.DuckDBPyConnection, stale_identities: set[str], people: pa.Table) -> pa.Table:
    """With the names they have now; `people` is registered."""
    if not stale_identities:
        return nobody()
    cursor.register("stale", pa.table({"id": pa.array(sorted(stale_identities), pa.string())}))
    named = "SELECT id, coalesce(people.person, id) AS person FROM stale LEFT JOIN people USING (id)"
    return arrow(cursor, named)


def says_person(sql: str) -> bool:
    return re.search(r"\bperson\b", sql, re.IGNORECASE) is not None
