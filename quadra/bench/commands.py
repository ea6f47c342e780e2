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
from quadra.bench import ingest
from quadra.bench.replicas import run as run_replicas
from quadra.core import clock

ACROSS = "## Across replicas"
LIBRARIES = ("eventlet", "gunicorn", "python-socketio", "sqlalchemy", "msgspec", "orjson", "psycopg")


@click.command()
@click.option("--postgres", help="URL of an empty PostgreSQL database to measure too; its tables are filled.")
@click.option(
    "--replicas",
    metavar="REDIS_URL",
    help="Measure only how soon an event is on a dashboard of another replica, joined by this Redis; needs --postgres.",
)
@click.option("--rounds", default=3, show_default=True, help="Pairs of (limit, Quadra) for each figure.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of each run.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--compare", type=click.Path(path_type=Path, exists=True), help="An earlier JSON file to compare with.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the table of docs/benchmarks.md.")
def bench(
    postgres: str | None,
    replicas: str | None,
    rounds: int,
    seconds: float,
    output: Path | None,
    compare: Path | None,
    markdown: Path | None,
) -> None:
    """Measure ingest on this machine, against its limits measured in the same minutes."""
    if replicas:
        if not postgres:
            raise click.UsageError("--replicas needs --postgres: two replicas share a database.")
        across = run_replicas(postgres, replicas, events=max(20, int(rounds * seconds * 10)), say=click.echo)
        whole = {"machine": machine(), "replicas": across}
        if output:
            output.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        if markdown:
            before = markdown.read_text().partition(ACROSS)[0] if markdown.exists() else ""
            markdown.write_text(f"{before.rstrip()}\n\n{replica_table(whole)}".lstrip())
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
        _, title, across_before = (markdown.read_text() if markdown.exists() else "").partition(ACROSS)
        markdown.write_text(table(report) + (f"\n{title}{across_before}" if title else ""))
    if compare:
        click.echo("\n".join(changes(json.loads(compare.read_text()), report)))


def replica_table(report: dict[str, Any]) -> str:
    """The last part of docs/benchmarks.md."""
    facts = report["machine"]
    lines = f"""{ACROSS}

Made by `quadra bench --replicas REDIS_URL --postgres URL --markdown docs/benchmarks.md`: from before the request with one event
until it is on a dashboard, of the replica that took it and of another one. Goal: p99 below 100 ms.

Measured {facts["measured_at"]} on {facts["cores"]} cores that also ran PostgreSQL, Redis and the sender, load
{facts["load_before"]:.1f} before the start.

| on a dashboard of | events | p50 ms | p99 ms | most ms |
|---|---|---|---|---|
""".splitlines()
    for one in report["replicas"]:
        lines.append(f"| {one['name']} | {one['events']} | {one['p50_ms']} | {one['p99_ms']} | {one['most_ms']} |")
    return "\n".join(lines) + "\n"


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


def table(report: dict[str, Any]) -> str:
    """The generated page docs/benchmarks.md."""
    facts = report["machine"]
    lines = f"""# Benchmarks

Made by `make bench ARGS="--markdown docs/benchmarks.md"`; do not edit. Each figure is the median of {report["rounds"]} runs of
{report["seconds"]:g} s, run in turns with its limit within the same minutes: machines are shared, so a ratio says more than an
absolute figure. After the runs every acknowledged event was looked for in the database.

Measured {facts["measured_at"]} on {facts["cores"]} cores ({facts["system"]}) that also ran the load generator and the
database, Python {facts["python"]}, load {facts["load_before"]:.1f} before the start.

Limits: *lane* is Socket.IO on the same loop that acknowledges and stores nothing; *parse* is a Flask route that parses and
answers; *insert* is the writer's own statement in groups of 1,000 with nothing around it. Unless a line says so, the worker that
analyses and compacts is not on these cores.

What holds a ratio down on two cores: a limit that stores nothing needs one core and the generator a third of the other, while
Quadra's loop, its writer, the database and the generator share both. A busy neighbour therefore costs Quadra twice. CPU per event
moves little with load and is the steadier figure.

| what | events/s | limit | its events/s | ratio | goal | p50 ms | p99 ms | CPU µs/event | RSS MB |
|---|---|---|---|---|---|---|---|---|---|
""".splitlines()
    for result in report["ingest"]:
        limits = result["limit_per_second"]
        limit = f"{sorted(limits)[len(limits) // 2]:,}" if limits else ""
        ratio = "" if result["ratio"] is None else f"{result['ratio']:.2f}"
        lines.append(
            f"| {result['name']} | {result['events_per_second']:,} | {result['against']} | {limit} | {ratio} | {result['goal']} "
            f"| {result['p50_ms']} | {result['p99_ms']} | {result['cpu_us_per_event']} | {result['memory_mb']} |"
        )
    return "\n".join(lines) + "\n"
