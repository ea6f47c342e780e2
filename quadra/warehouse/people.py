"""Which ids are one person. A person's name is the id at the end of the chain of links.

A link joins an id to another one: a row with both an anonymous id and a user id joins the first to the second, an alias
joins the id it names to the user's. Each id has one link, its first by time of occurrence (ties: the smaller id it leads
to); of a circle the newest link is left out. So the answer depends on the events alone, not on the order of arrival or on
what is compacted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from quadra.warehouse.catalogue import Listed
from quadra.warehouse.duck import arrow, quoted

ALIASES = ("alias", "$create_alias")
"""The event types that say that two ids are one person."""
OLD_IDS = ("previousId", "previous_id", "alias")
"""The property that names the other id, whichever is there first."""

LINKS = pa.schema([("id", pa.string()), ("leads_to", pa.string()), ("first_us", pa.int64())])
PEOPLE = pa.schema([("id", pa.string()), ("person", pa.string())])
NOBODY = PEOPLE.empty_table()
KEPT_MOST, LINKS_KEPT_MOST = 64, 20_000
"""Answers, and segments of which the links are kept."""

IS_ALIAS = f"event_type IN ({', '.join(quoted(name) for name in ALIASES)}) AND user_id IS NOT NULL"
OLD_ID = "coalesce(" + ", ".join(f"json_extract_string(properties, '$.{name}')" for name in OLD_IDS) + ")"
IS_LINK = f"((anonymous_id IS NOT NULL AND user_id <> anonymous_id) OR ({IS_ALIAS}))"


def links_sql(source: str) -> str:
    """The links in a relation, each pair of ids once, at its earliest."""
    return f"""
        SELECT id, leads_to, min(first_us) AS first_us FROM (
            SELECT anonymous_id AS id, user_id AS leads_to, epoch_us(occurred_at) AS first_us
            FROM {source} WHERE anonymous_id IS NOT NULL AND user_id <> anonymous_id
            UNION ALL
            SELECT {OLD_ID} AS id, user_id AS leads_to, epoch_us(occurred_at) AS first_us FROM {source} WHERE {IS_ALIAS}
        ) WHERE id IS NOT NULL AND id <> '' AND id <> leads_to GROUP BY id, leads_to"""


FIRST_SQL = """
    WITH first AS (SELECT id, min({'first_us': first_us, 'leads_to': leads_to}) AS link FROM links GROUP BY id)
    SELECT first.id, link.leads_to AS leads_to, link.first_us AS first_us,
        EXISTS (FROM first AS next WHERE next.id = first.link.leads_to) AS goes_on
    FROM first"""


class People:
    """Who is who in each project. Links of a segment are read once: it never changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: OrderedDict[str, pa.Table] = OrderedDict()
        self._known: OrderedDict[tuple[int, frozenset[str], int], pa.Table] = OrderedDict()

    def of(
        self, cursor: duckdb.DuckDBPyConnection, project_id: int, segments: Sequence[Listed], paths: Sequence[str]
    ) -> pa.Table:
        """id -> person, for the ids that are not the person's name; `cursor` has the fresh rows as `fresh`."""
        fresh = arrow(cursor, links_sql("fresh"))
        linking = [(segment, path) for segment, path in zip(segments, paths, strict=True) if segment.links]
        if not linking and not fresh.num_rows:
            return NOBODY
        key = (project_id, frozenset(segment.id for segment, _path in linking), hash(_frozen(fresh)))
        with self._lock:
            if key not in self._known:
                self._known[key] = resolve(cursor, [*self._of_segments(cursor, linking), fresh])
                while len(self._known) > KEPT_MOST:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def _of_segments(
        self, cursor: duckdb.DuckDBPyConnection, segments: Iterable[tuple[Listed, str]]
    ) -> Iterable[pa.Table]:
        for segment, path in segments:
            if segment.id not in self._links:
                self._links[segment.id] = arrow(cursor, links_sql(f"read_parquet({quoted(path)})"))
            self._links.move_to_end(segment.id)
            yield self._links[segment.id]
        while len(self._links) > LINKS_KEPT_MOST:
            self._links.popitem(last=False)


def resolve(cursor: duckdb.DuckDBPyConnection, links: Sequence[pa.Table]) -> pa.Table:
    """id -> person, from links."""
    cursor.register("links", pa.concat_tables(links))
    first = arrow(cursor, FIRST_SQL)
    cursor.unregister("links")
    if not pa.compute.any(first["goes_on"]).as_py():
        return pa.table([first["id"], first["leads_to"]], schema=PEOPLE)
    parents = {row["id"]: (row["first_us"], row["leads_to"]) for row in first.to_pylist()}
    _cut_circles(parents)
    people = {one: _root(one, parents) for one in parents}
    return pa.table([list(people), list(people.values())], schema=PEOPLE)


Parents = dict[str, tuple[int, str]]


def _cut_circles(parents: Parents) -> None:
    """Leave out the newest link of each circle (ties: the greatest ids)."""
    done: set[str] = set()
    for start in sorted(parents):
        walked: dict[str, None] = {}
        at = start
        while at in parents and at not in done and at not in walked:
            walked[at] = None
            at = parents[at][1]
        if at in walked:
            circle = list(walked)[list(walked).index(at) :]
            del parents[max(circle, key=lambda one: (parents[one][0], one))]
        done.update(walked)


def _root(one: str, parents: Parents) -> str:
    while one in parents:
        one = parents[one][1]
    return one


def _frozen(links: pa.Table) -> Any:
    return frozenset(zip(*(links[name].to_pylist() for name in LINKS.names), strict=True))
