"""Links between ids, and what follows from them: id -> person. Pure but for DuckDB, which does the work.

A link joins an id to another one: a row with both an anonymous id and a user id joins the first to the second, an alias
joins the id it names to the user's. Each id has one link, its first by time of occurrence (ties: the smaller id it leads
to), and a placeholder such as `undefined` has none; of a circle the newest link is left out. So the answer depends on the
events alone, not on the order of arrival or on what is compacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from quadra.ingest.placeholders import ALIASES, OLD_IDS, is_placeholder
from quadra.warehouse.query.duck import arrow, quoted

IS_ALIAS = f"event_type IN ({', '.join(quoted(name) for name in ALIASES)}) AND user_id IS NOT NULL"
OLD_ID = "coalesce(" + ", ".join(f"json_extract_string(properties, '$.{name}')" for name in OLD_IDS) + ")"
IS_LINK = f"((anonymous_id IS NOT NULL AND user_id <> anonymous_id) OR ({IS_ALIAS}))"


def links_in(cursor: duckdb.DuckDBPyConnection, source: str, *, by: str = "") -> pa.Table:
    """The links in a relation, each pair of ids once, at its earliest; where it is asked `by` a column, once for each value."""
    by = by and f", {by}"
    found = arrow(
        cursor,
        f"""
        SELECT id, leads_to, min(first_us) AS first_us{by} FROM (
            SELECT anonymous_id AS id, user_id AS leads_to, epoch_us(min(occurred_at)) AS first_us{by} FROM {source}
            WHERE anonymous_id IS NOT NULL AND user_id <> anonymous_id GROUP BY id, leads_to{by}
            UNION ALL
            SELECT {OLD_ID} AS id, user_id AS leads_to, epoch_us(occurred_at) AS first_us{by} FROM {source} WHERE {IS_ALIAS}
        ) WHERE id IS NOT NULL AND id <> leads_to GROUP BY id, leads_to{by}""",
    )
    return found.filter(pc.and_(_names_somebody(found["id"]), _names_somebody(found["leads_to"])))


def _names_somebody(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each distinct id is looked at once: as an expression of SQL that costs more than to read the files."""
    coded = ids.combine_chunks().dictionary_encode()
    somebody = pa.array([not is_placeholder(id_) for id_ in coded.dictionary.to_pylist()], pa.bool_())
    return somebody.take(coded.indices)


def earliest(links: Sequence[pa.Table]) -> pa.Table:
    """Each pair of ids once."""
    found = pa.concat_tables([links_schema().empty_table(), *links])
    found = found.group_by(["id", "leads_to"], use_threads=False).aggregate([("first_us", "min")])
    return found.rename_columns({"first_us_min": "first_us"}).select(links_schema().names)


FIRST_SQL = """
    WITH first AS (SELECT id, min({'first_us': first_us, 'leads_to': leads_to}) AS link FROM links GROUP BY id)
    SELECT first.id, link.leads_to AS leads_to, link.first_us AS first_us,
        EXISTS (FROM first AS next WHERE next.id = first.link.leads_to) AS goes_on
    FROM first"""


def resolve(cursor: duckdb.DuckDBPyConnection, links: Sequence[pa.Table]) -> pa.Table:
    """id -> person, for the ids that are not the person's name."""
    found = pa.concat_tables(links) if links else links_schema().empty_table()
    if not found.num_rows:
        return nobody()
    cursor.register("links", found)
    first = arrow(cursor, FIRST_SQL)
    cursor.unregister("links")
    if not pc.any(first["goes_on"]).as_py():
        return pa.table([first["id"], first["leads_to"]], schema=people_schema())
    parents = {row["id"]: (row["first_us"], row["leads_to"]) for row in first.to_pylist()}
    cut_circles(parents)
    people = {one: root(one, parents) for one in parents}
    return pa.table([list(people), list(people.values())], schema=people_schema())


@cache
def links_schema() -> pa.Schema:
    return pa.schema([("id", pa.string()), ("leads_to", pa.string()), ("first_us", pa.int64())])


@cache
def people_schema() -> pa.Schema:
    return pa.schema([("id", pa.string()), ("person", pa.string())])


def nobody() -> pa.Table:
    return people_schema().empty_table()


Parents = dict[str, tuple[int, str]]


def cut_circles(parents: Parents) -> None:
    """Leave out the newest link of each circle (ties: the greatest id)."""
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


def root(one: str, parents: Parents) -> str:
    while one in parents:
        one = parents[one][1]
    return one
