"""What a damaged SQLite file still gives: a repair of its indexes, and the events that can be read, from both ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from quadra.backup import sqlite_dump
from quadra.backup.manifest import Damage
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.ingest.accept import Row
from quadra.ingest.log import make_log

AT_ONCE = 2_000
COLUMNS = Row.__struct_fields__
JSON = ("fields", "properties")
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
            names = ", ".join(f'"{name}"' for name in COLUMNS)
            found = connection.execute(f"SELECT {names} FROM event ORDER BY rowid {order}")
            for values in found:
                with suppress(msgspec.ValidationError, TypeError, ValueError):
                    yield _row(dict(zip(COLUMNS, values, strict=True)))


def _row(values: dict[str, Any]) -> Row:
    for name in JSON:
        if values[name] is not None:
            msgspec.json.decode(values[name])  # a torn text is no event
            values[name] = msgspec.Raw(values[name].encode())
    for name in ("success", "bot"):
        values[name] = None if values[name] is None else bool(values[name])
    return _row_type.convert(values)
