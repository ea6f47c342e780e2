"""Rows of the event table as Arrow: what a compaction writes, and what a question reads beside the segments.

SQLite and PostgreSQL hand over whole columns, each as one JSON array: a third of the time that fetching rows takes, and
most of it outside of Python, so that the event loop is not held up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.warehouse.columns import FLAGS, FLOATS, JSONS, NAMES, TIMES, schema

IDS_AT_ONCE, ROWS_AT_ONCE = 500, 5_000
"""Of one statement: its rows are Python's for a moment, at some 2 kB each."""

_decode_texts = msgspec.json.Decoder(list[str | None]).decode
_decode_any = msgspec.json.Decoder(list[Any]).decode


Key = tuple[str, int]
"""A batch: its id and how many events it has."""


def take_batches(session: Session, query: sa.Select[str, int], most_rows: int) -> list[Key]:
    """The first batches of `query` (id, events) that have no more rows together; one at least, however large."""
    taken: list[Key] = []
    rows = 0
    for batch_id, count in session.execute(query):
        if taken and rows + count > most_rows:
            break
        taken.append((batch_id, count))
        rows += count
    return taken


def read_batches(session: Session, batches: Iterable[Key]) -> pa.Table:
    """Every row of these batches, in no order."""
    read = READERS[session.connection().dialect.name]
    found = [_table(read(session, [batch_id for batch_id, _ in some])) for some in portions(batches)]
    return pa.concat_tables(found).combine_chunks() if found else schema().empty_table()


def portions(batches: Iterable[Key]) -> Iterator[list[Key]]:
    """What is read at once."""
    some: list[Key] = []
    rows = 0
    for key in batches:
        if some and (len(some) >= IDS_AT_ONCE or rows + key[1] > ROWS_AT_ONCE):
            yield some
            some, rows = [], 0
        some.append(key)
        rows += key[1]
    if some:
        yield some


Columns = dict[str, Sequence[Any]]


def _on_sqlite(session: Session, batch_ids: Sequence[str]) -> Columns:
    filled = _filled(session, batch_ids)
    # not the floats: SQLite's JSON keeps 15 digits of them
    listed = {name: f"json_group_array({name})" for name in filled if name not in FLOATS}
    values = _columns(session, listed, batch_ids)
    floats = [name for name in FLOATS if name in filled]
    if floats:
        some = " OR ".join(f"{name} IS NOT NULL" for name in floats)
        query = f"SELECT event_id, {', '.join(floats)} FROM event WHERE batch_id IN :ids AND ({some})"
        places = {row[0]: row[1:] for row in _ask(session, query, batch_ids)}
        none = (None,) * len(floats)
        found = [places.get(event_id, none) for event_id in values["event_id"]]
        values |= {name: [numbers[at] for numbers in found] for at, name in enumerate(floats)}
    return values


def _on_postgresql(session: Session, batch_ids: Sequence[str]) -> Columns:
    cast = {name: f"{name}::text" for name in JSONS}
    listed = {name: f"json_agg({cast.get(name, name)})::text" for name in _filled(session, batch_ids)}
    return _columns(session, listed, batch_ids)


def _on_mysql(session: Session, batch_ids: Sequence[str]) -> Columns:
    # its JSON aggregates are cut at group_concat_max_len
    rows = _ask(
        session, f"SELECT {', '.join(f'`{name}`' for name in NAMES)} FROM event WHERE batch_id IN :ids", batch_ids
    ).all()
    return dict(zip(NAMES, zip(*rows, strict=True), strict=True)) if rows else {}


READERS: dict[str, Callable[[Session, Sequence[str]], Columns]] = {
    "sqlite": _on_sqlite,
    "postgresql": _on_postgresql,
    "mysql": _on_mysql,
    "mariadb": _on_mysql,
}


def _ask(session: Session, query: str, batch_ids: Sequence[str]) -> sa.CursorResult[Any]:
    ids: sa.BindParameter[Any] = sa.bindparam("ids", value=list(batch_ids), expanding=True)
    return session.connection().execute(sa.text(query).bindparams(ids))


def _filled(session: Session, batch_ids: Sequence[str]) -> list[str]:
    """The columns that have a value in some row: of most events more than half of them have none, and handing over what is
    empty takes as long as what is not.
    """
    counted = ", ".join(f"count({name})" for name in NAMES)
    row = _ask(session, f"SELECT {counted} FROM event WHERE batch_id IN :ids", batch_ids).one()
    return [name for name, count in zip(NAMES, row, strict=True) if count]


def _columns(session: Session, listed: Mapping[str, str], batch_ids: Sequence[str]) -> Columns:
    """Column -> its values, by what makes one JSON array of them."""
    if not listed:
        return {}
    row = _ask(session, f"SELECT {', '.join(listed.values())} FROM event WHERE batch_id IN :ids", batch_ids).one()
    texts = pa.types.is_string
    return {
        name: (_decode_texts if texts(schema().field(name).type) else _decode_any)(given)
        for name, given in zip(listed, row, strict=True)
    }


def _table(columns: Columns) -> pa.Table:
    rows = len(columns.get("event_id", ()))
    made = [
        _array(name, columns[name]) if name in columns else pa.nulls(rows, schema().field(name).type) for name in NAMES
    ]
    return pa.table(made, schema=schema())


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    if name in TIMES:
        return pa.array(values, pa.int64()).cast(schema().field(name).type)
    if name in FLAGS:  # 0 and 1 where the database has no booleans
        return pa.array([None if value is None else bool(value) for value in values], pa.bool_())
    return pa.array(values, schema().field(name).type)
