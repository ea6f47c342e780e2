"""What a damaged SQLite file still gives: a repair of its indexes, and the events that can be read, from both ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from quadra.backup.dumps import sqlite as sqlite_dump
from quadra.backup.stores.manifest import Damage
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.ingest import columns
from quadra.ingest.columns import Row
from quadra.ingest.log import make_log

AT_ONCE = 2_000
COLUMNS = Row.__struct_fields__
JSON = tuple(column.name for column in columns.COLUMNS if column.type is msgspec.Raw)
FLAGS = tuple(column.name for column in columns.COLUMNS if column.type is bool)
_row_type = Typed(Row)


def repair_indexes(damaged: Path, copy: Path) -> bool:
    """Whether only indexes are damaged: then `copy` has every row, with indexes built anew. The file is not touched.

    The condition on each row keeps SQLite from copying indexes page by page, as its VACUUM does.
    """
    try:
        with closing(sqlite3.connect(copy.as_uri(), uri=True, isolation_level=None)) as new:
            new.execute("ATTACH ? AS old", (f"{damaged.as_uri()}?mode=ro",))
            made = new.execute("SELECT type, name, sql FROM old.sqlite_master WHERE sql IS NOT NULL").fetchall()
            new.execute("BEGIN")
            for name, sql in [(name, sql) for kind, name, sql in made if kind == "table" and name != "sqlite_sequence"]:
                new.execute(sql)
                quoted = name.replace('"', '""')
                new.execute(f'INSERT INTO "{quoted}" SELECT * FROM old."{quoted}" NOT INDEXED WHERE rowid IS NOT NULL')
            for sql in [sql for kind, _, sql in made if kind != "table"]:
                new.execute(sql)
            new.execute("COMMIT")
        sqlite_dump.check_integrity(copy)
    except (sqlite3.DatabaseError, Damage):
        return False
    return True


def salvage(runtime: Runtime, damaged: Path) -> tuple[int, int]:
    """Write the events that can be read from a damaged file through the log, each once: (readable, new).

    Those that the database has already are recognised by their ids. Projects must have the numbers they had, which they do
    in a backup of the same installation.
    """
    log, readable, new = make_log(runtime), 0, 0
    waiting: dict[tuple[int, str], Row] = {}

    def flush() -> None:
        nonlocal new
        if waiting:
            new += sum(not duplicate for _, duplicate in _stored(log.append(list(waiting.values())).outcomes))
            waiting.clear()

    seen: set[tuple[int, str]] = set()
    for row in _rows(damaged):
        key = (row.project_id, row.event_id)
        if key not in seen:
            seen.add(key)
            waiting[key] = row
            readable += 1
            if len(waiting) >= AT_ONCE:
                flush()
    flush()
    return readable, new


def _stored(outcomes: Any) -> Iterator[tuple[str, bool]]:
    return (one for one in outcomes if isinstance(one, tuple))


def _rows(damaged: Path) -> Iterator[Row]:
    """Until the first page that cannot be read, from the beginning and then from the end."""
    for order in ("ASC", "DESC"):
        with (
            suppress(sqlite3.DatabaseError),
            closing(sqlite3.connect(f"{damaged.as_uri()}?mode=ro", uri=True)) as connection,
        ):
            connection.text_factory = lambda text: text.decode(errors="replace")
            # asked first: a quoted name that the table does not have is a text to SQLite, the name itself
            there = {name for _, name, *_ in connection.execute("PRAGMA table_info(event)")}
            known = [name for name in COLUMNS if name in there]
            names = ", ".join(f'"{name}"' for name in known)
            found = connection.execute(f"SELECT {names} FROM event ORDER BY rowid {order}")
            for values in found:
                with suppress(msgspec.DecodeError, AttributeError, TypeError, ValueError):
                    yield _row(dict(zip(known, values, strict=True)))


def _row(values: dict[str, Any]) -> Row:
    jsons = {name: values.pop(name).encode() for name in JSON if values.get(name) is not None}
    for name in FLAGS:
        if values.get(name) is not None:
            values[name] = bool(values[name])
    row = _row_type.convert({name: value for name, value in values.items() if name not in JSON})
    for name, text in jsons.items():  # a converter takes no Raw where a field may also be empty
        msgspec.json.decode(text)  # a torn text is no event
        setattr(row, name, msgspec.Raw(text))
    return row
