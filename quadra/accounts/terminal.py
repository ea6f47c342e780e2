"""How the commands of this room open the installation and speak: to people in lines, to scripts in one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from msgspec import Struct, to_builtins

from quadra.core.database import Database
from quadra.core.migrate import refuse_newer
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@contextmanager
def opened(check: Callable[[Database], object] | None = refuse_newer) -> Iterator[Runtime]:
    """The runtime of a command, closed behind it.

    `check` is asked about the database before anything is done: `migrate.upgrade` where the command brings it up to date, None
    where it looks by itself, or replaces it.
    """
    runtime = build(load())
    try:
        if check is not None:
            check(runtime.database)
        yield runtime
    finally:
        runtime.database.dispose()


def say(as_json: bool, body: Struct | Mapping[str, Any], lines: Sequence[str]) -> None:
    """`body` for a script, `lines` for a person."""
    click.echo(json.dumps(to_builtins(body), ensure_ascii=False) if as_json else "\n".join(lines))


def table(fields: Sequence[str], rows: Sequence[Struct | Mapping[str, Any]]) -> list[str]:
    """Rows in columns under their names; `-` where there is nothing."""
    cells = [list(fields), *([_cell(row[field]) for field in fields] for row in to_builtins(rows))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(fields))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{name}: {held}" for name, held in value.items())
    elif isinstance(value, list):
        value = ", ".join(map(str, value))
    return str(value or "-")
