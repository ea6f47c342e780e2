"""`quadra bench`: run the suite, keep the figures, compare them with earlier ones."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import psutil

from quadra import __version__
from quadra.bench import field, ingest, overload, page, pieces
from quadra.bench.pieces import SUITES
from quadra.bench.replicas import run as run_replicas
from quadra.bench.suite import ITERATIONS, BenchmarkSuite, load_results
from quadra.core import clock

LIBRARIES = ("eventlet", "gunicorn", "python-socketio", "sqlalchemy", "msgspec", "orjson", "psycopg")


@click.command()
@click.option("--postgres", help="URL of an empty PostgreSQL database to measure too; its tables are filled.")
@click.option(
    "--replicas",
    metavar="REDIS_URL",
    help="Measure only how soon an event is on a dashboard of another replica, joined by this Redis; needs --postgres.",
)
@click.option(
    "--overload",
    "overload_minutes",
    type=click.FloatRange(0.1, 60),
    metavar="MINUTES",
    help="Only send more than Quadra can take for so long, and look whether memory stays bounded and nothing is lost.",
)
@click.option("--field", "only_field", is_flag=True, help="Measure only how fast the field scores events, on one core.")
@click.option(
    "--iterations",
    type=click.IntRange(1, 1_000_000),
    help="Only time small pieces of work so many times each, in suites.",
)
@click.option(
    "--suite", "suites", multiple=True, type=click.Choice(list(SUITES), case_sensitive=False), help="Of these."
)
@click.option("--rounds", default=3, show_default=True, help="Pairs of (limit, Quadra) for each figure.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of each run.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--compare", type=click.Path(path_type=Path, exists=True), help="An earlier JSON file to compare with.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the part of docs/benchmarks.md.")
def bench(
    postgres: str | None,
    replicas: str | None,
    overload_minutes: float | None,
    only_field: bool,
    iterations: int | None,
    suites: tuple[str, ...],
    rounds: int,
    seconds: float,
    output: Path | None,
    compare: Path | None,
    markdown: Path | None,
) -> None:
    """Measure ingest on this machine, against its limits measured in the same minutes.

    With --iterations or --suite small pieces of work instead: NumPy, JSON, field, database, ingest, lenses.
    """
    if iterations or suites:
        time_pieces(iterations or ITERATIONS, suites, output, compare)
        return
    if only_field:
        scored = field.run(rounds=rounds, seconds=seconds)
        whole_field: dict[str, Any] = {"machine": machine(), "field": scored}
        for one in scored:
            click.echo(f"{one['name']}: {one['per_second']:,}/s" + (f" (goal {one['goal']:,})" if one["goal"] else ""))
        if output:
            output.write_text(json.dumps(whole_field, indent=2, ensure_ascii=False) + "\n")
        if markdown:
            page.put(markdown, page.field(whole_field))
        return
    if overload_minutes:
        facts = machine()
        whole: dict[str, Any] = {
            "machine": facts,
            "overload": overload.run(postgres, minutes=overload_minutes, say=click.echo),
        }
        if output:
            output.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        if markdown:
            page.put(markdown, page.overload(whole))
        return
    if replicas:
        if not postgres:
            raise click.UsageError("--replicas needs --postgres: two replicas share a database.")
        across = run_replicas(postgres, replicas, events=max(20, int(rounds * seconds * 10)), say=click.echo)
        whole = {"machine": machine(), "replicas": across}
        if output:
            output.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        if markdown:
            page.put(markdown, page.replicas(whole))
        return
    databases: dict[str, str | None] = {"SQLite": None}
    if postgres:
        databases["PostgreSQL"] = postgres
    else:
        click.echo("PostgreSQL is not measured: name one with --postgres.", err=True)
    results = ingest.run(databases, rounds=rounds, seconds=seconds, say=click.echo)
    report = {"machine": machine(), "rounds": rounds, "seconds": seconds, "ingest": results}
    if output:
        output.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if markdown:
        page.put(markdown, page.ingest(report))
    if compare:
        click.echo("\n".join(changes(json.loads(compare.read_text()), report)))


def time_pieces(iterations: int, suites: tuple[str, ...], output: Path | None, compare: Path | None) -> None:
    if compare:
        load_results(compare)  # what cannot be compared with is said before the minutes that measuring takes
    suite = BenchmarkSuite(iterations, machine())
    pieces.run(suite, suites, lambda line: click.echo(line, err=True))
    suite.print_summary()
    if output:
        suite.save_results(output)
    if compare:
        click.echo("\n".join(["Compared with the earlier run:", *suite.compare(compare)]))


def machine() -> dict[str, Any]:
    return {
        "measured_at": clock.iso(clock.now()),
        "quadra": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_before": os.getloadavg()[0],
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line for each figure that both reports have: ratios, since absolute figures of two days say little."""
    earlier = {result["name"]: result for result in before["ingest"]}
    lines = ["Compared with the earlier run:"]
    for result in after["ingest"]:
        old = earlier.get(result["name"])
        if old is None:
            continue
        first, second = old["ratio"], result["ratio"]
        ratio = f"ratio {first:.2f} -> {second:.2f}, " if first and second else ""
        lines.append(
            f"  {result['name']}: {ratio}CPU {old['cpu_us_per_event']} -> {result['cpu_us_per_event']} µs an event"
        )
    return lines
