"""What grows with history and what does not: the same work beside 10⁵, 10⁶ and 10⁷ stored events.

`python -m quadra.bench.scale --events 100000 --events 1000000 --markdown docs/benchmarks.md`. Each size is measured in a process
of its own, over SQLite and segments in a directory that is thrown away. Beside each figure stands its ratio to the smallest
size: the machine is shared, and 1.0 means that history costs nothing.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from quadra.accounts.projects import create_project, get_project
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.bench import page
from quadra.bench.warehouse import LENSES, burst, make_history
from quadra.core import clock, migrate
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.core.typed import Typed
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.compaction import compact_some

DAYS = 365
"""Over which the history is spread."""
ASKED_DAYS = 30
APPENDED = 20_000
ROUNDS = 3
ASKED = ("trends", "trends, people", "retention by day", "funnel, ordered")


class Size(msgspec.Struct):
    """What was measured beside so many events."""

    events: int
    figures: dict[str, float]
    load: float
    measured_at: str


SIZE = Typed(Size)


def measure(events: int) -> Size:
    with tempfile.TemporaryDirectory(prefix="quadra-scale-") as directory:
        data = Path(directory)
        known = {"QUADRA_DATA_DIR": str(data), "DATABASE_URL": sqlite_url(data / "quadra.db")}
        runtime = build(load(data_dir=data, database_url=known["DATABASE_URL"], query_timeout="10m"))
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            create_project(session, name="Bench")
        with closing(runtime):
            make_history(runtime, events=events, days=DAYS)
            figures = {**_event(runtime), **_questions(runtime)}
        figures["memory of the process, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        known["QUADRA_BACKUP_DIR"] = str(data / "kept")
        figures["full backup, s"] = _seconds(known, "backup", "take", "--kind", "full", "--json")
        elsewhere = {"QUADRA_DATA_DIR": str(data / "new"), "DATABASE_URL": sqlite_url(data / "new" / "quadra.db")}
        figures["restore of it elsewhere, s"] = _seconds(known | elsewhere, "restore", "--latest", "--yes", "--json")
        return Size(events, figures, os.getloadavg()[0], clock.iso(clock.now()))


def _event(runtime: Runtime) -> dict[str, float]:
    """Processor time, so that a busy neighbour costs nothing."""
    before = time.process_time()
    burst(runtime, APPENDED)
    between = time.process_time()
    while compact_some(runtime, 1):
        pass
    after = time.process_time()
    return {
        "an event stored, CPU µs": (between - before) / APPENDED * 1e6,
        "an event compacted, CPU µs": (after - between) / APPENDED * 1e6,
    }


def _questions(runtime: Runtime) -> dict[str, float]:
    """Of the last days, not of all of history; no answer is one that was kept."""
    with runtime.database.read() as session:
        project = get_project(session, "bench")
    figures: dict[str, float] = {}
    for title in ASKED:
        lens, params = LENSES[title]
        taken = []
        for _ in range(ROUNDS + 1):
            warehouse_of(runtime).answers.clear()
            began = time.process_time()
            lens_of(lens).ask(runtime, read_asked(lens, {"days": ASKED_DAYS, **params}, project))
            taken.append((time.process_time() - began) * 1000)
        figures[f"{title}, {ASKED_DAYS} days, CPU ms"] = statistics.median(taken[1:])
    return figures


def _seconds(environment: dict[str, str], *words: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "quadra", *words]
    subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def part(sizes: list[Size]) -> str:
    """The part of docs/benchmarks.md."""
    first = sizes[0]
    names = list(first.figures)
    columns = [f"{size.events:,}" for size in sizes]
    beside = [f"ratio at {size.events:,}" for size in sizes[1:]]
    rows = [
        f"| {name} | "
        + " | ".join(
            [f"{size.figures[name]:,.1f}" for size in sizes]
            + [f"{size.figures[name] / first.figures[name]:.2f}" for size in sizes[1:]]
        )
        + " |"
        for name in names
    ]
    head = [f"| stored events | {' | '.join([*columns, *beside])} |", "|---" * (len(columns) + len(beside) + 1) + "|"]
    loads = ", ".join(f"{size.load:.1f}" for size in sizes)
    return "\n".join(
        [
            "## Scale",
            "",
            "Made by `python -m quadra.bench.scale --markdown docs/benchmarks.md`: the same work beside histories of a year.",
            "A ratio of 1 means that history costs nothing; backups and restores grow with it. Questions are about",
            f"{ASKED_DAYS} days, each answered anew; theirs is processor time.",
            "",
            f"Measured {sizes[-1].measured_at} on {os.cpu_count()} cores with SQLite; load {loads}.",
            "",
            *head,
            *rows,
        ]
    )


@click.command()
@click.option("--events", "wanted", multiple=True, type=click.IntRange(DAYS), default=(100_000, 1_000_000, 10_000_000))
@click.option("--output", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the part of docs/benchmarks.md.")
@click.option("--one", is_flag=True, hidden=True)
def main(wanted: tuple[int, ...], output: Path | None, markdown: Path | None, one: bool) -> None:
    """Measure what grows with history."""
    if one:
        sys.stdout.buffer.write(msgspec.json.encode(measure(wanted[0])))
        return
    sizes = []
    for events in sorted(wanted):
        command = [sys.executable, "-m", "quadra.bench.scale", "--one", "--events", str(events)]
        printed = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, timeout=timedelta(hours=2).total_seconds()
        )
        sizes.append(SIZE.decode(printed.stdout))
        click.echo(json.dumps(msgspec.to_builtins(sizes[-1])), err=True)
    click.echo(part(sizes))
    if output:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(sizes), indent=2) + b"\n")
    if markdown:
        page.put(markdown, part(sizes))


if __name__ == "__main__":
    main()
