"""The relation `events` as SQL: rows of files and fresh ones, with who did them and what is known of those people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from quadra.warehouse.columns import NAMES
from quadra.warehouse.query.people import Known
from quadra.warehouse.segments.writing import files

COLUMNS = ", ".join(NAMES)
TIMES = "epoch_us(occurred_at) AS occurred_us, epoch_us(received_at) AS received_us"


def events_sql(
    sources: Sequence[tuple[str, str]], known: Callable[[], Known], *, who: bool, chosen: bool, traits: bool
) -> str:
    """`sources` are relations, each with the condition of its rows. With `who` there is a column `person`; only people in the
    table `chosen_people` count where some were `chosen`, and those in `traits` bring along its columns.
    """
    named = who or chosen or traits
    parts = [_part(source, condition, known() if named else None) for source, condition in sources]
    found = f"SELECT *, {TIMES} FROM ({' UNION ALL '.join(parts)})"
    if traits:
        found = f"SELECT * FROM ({found}) LEFT JOIN traits USING (person)"
    if chosen:
        found = f"SELECT * FROM ({found}) SEMI JOIN chosen_people USING (person)"
    return f"SELECT * EXCLUDE (person) FROM ({found})" if named and not who else found


def sourced_sql(
    complete: Sequence[str], older: Sequence[str], condition: str, tables: Sequence[str], condition_of_tables: str
) -> str:
    """The rows of some files and tables, each with the place of its source among them."""
    sources = [
        *([files(complete, complete=True, numbered=0)] if complete else []),
        *([files(older, numbered=len(complete))] if older else []),
    ]
    parts = [f"SELECT {COLUMNS}, source FROM {source} WHERE {condition}" for source in sources]
    parts += [
        f"SELECT {COLUMNS}, {number} AS source FROM {name} WHERE {condition_of_tables}"
        for number, name in enumerate(tables, start=len(complete) + len(older))
    ]
    return f"SELECT *, {TIMES} FROM ({' UNION ALL '.join(parts)})"


def in_order(found: pa.Table, paths: Sequence[str], read: Sequence[str], tables: int) -> pa.Table:
    """With the places that sources have among `paths`, and not among the files as they were `read`, and the tables after them."""
    if list(paths) == list(read):
        return found
    places = {path: place for place, path in enumerate(paths)}
    order = pa.array([*(places[path] for path in read), *range(len(paths), len(paths) + tables)])
    return found.set_column(found.column_names.index("source"), "source", order.take(found["source"].combine_chunks()))


def _part(source: str, condition: str, known: Known | None) -> str:
    if known is None:
        return f"SELECT {COLUMNS} FROM {source} WHERE {condition}"
    # fresh rows bear no name yet; those in files bear one that only stale identities may have changed
    names, stored = ("people", "user_id") if source == "fresh" else ("stale_identities", "person")
    if not getattr(known, names).num_rows:
        return f"SELECT {COLUMNS}, {stored} AS person FROM {source} WHERE {condition}"
    listed = ", ".join(f"rows.{name}" for name in NAMES)
    return (
        f"SELECT {listed}, coalesce({names}.person, rows.{stored}) AS person FROM {source} AS rows "
        f"LEFT JOIN {names} ON {names}.id = rows.user_id WHERE {condition}"
    )
