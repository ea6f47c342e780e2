"""How an import or a backfill shows that it is alive: a bar on a terminal, a plain line now and then elsewhere. All of it
goes to standard error, so that standard output holds the result and nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

EVERY_SECONDS = 5.0

Tell = Callable[[float, str], None]
"""(how much of the whole is done, what to say)"""


@contextmanager
def shown(title: str, total: float | None) -> Iterator[Tell]:
    """Something to tell the progress to; `total` is None where the amount is unknown."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, text="")
            yield lambda done, text: bar.update(task, completed=done, text=text)
        return
    last = time.monotonic()

    def tell(done: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            click.echo(f"{title}: {f'{done / total:.0%}, ' if total else ''}{text}", err=True)

    yield tell
