"""The page docs/benchmarks.md: each run writes its own part and leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def put(path: Path, part: str) -> None:
    """Write a part of the page over the one with the same heading, or at the end where there is none."""
    heading = part.partition("\n")[0]
    parts = re.split(r"^(?=#{1,2} )", path.read_text() if path.exists() else "", flags=re.MULTILINE)
    kept = [one.strip() for one in parts if one.strip()]
    places = [at for at, one in enumerate(kept) if one.partition("\n")[0] == heading]
    at = places[0] if places else len(kept)
    kept[at : at + 1] = [part.strip()]
    path.write_text("\n\n".join(kept) + "\n")


def ingest(report: dict[str, Any]) -> str:
    """The first part: what ingest takes."""
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


def replicas(report: dict[str, Any]) -> str:
    """How soon an event is on a dashboard."""
    facts = report["machine"]
    lines = f"""## Across replicas

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


def overload(report: dict[str, Any]) -> str:
    """What more than Quadra can take does to it."""
    facts, figures = report["machine"], report["overload"]
    memory, health = figures["memory_mb"], figures["liveness"]
    every = max(1, len(memory["by_minute"]) // 10)
    lines = f"""## Overload

Made by `quadra bench --overload MINUTES --markdown docs/benchmarks.md`: senders over HTTP and Socket.IO keep three times as many
events open as the writer's queue holds, so that it is full all the time, and send what was refused again after the pause they
were told. Afterwards each request that was acknowledged was looked for in the database.

Measured {facts["measured_at"]} for {figures["minutes"]:g} minutes on {facts["cores"]} cores with {figures["database"]}, load
{facts["load_before"]:.1f} before the start.

| what | |
|---|---|
| events acknowledged | {figures["acknowledged"]:,} |
| of those not stored | {figures["acknowledged_requests_lost"]:,} |
| requests of 1,000 events told to try again | {figures["refused_http"] + figures["refused_sockets"]:,} |
| of those over HTTP, and without `Retry-After` | {figures["refused_http"]:,}, {figures["without_retry_after"]:,} |
| answered in any other way, or not at all | {figures["failed"]:,} |
| `/health` meanwhile: asked, without an answer, longest | {health["probes"]:,}, {health["failed"]:,}, {health["most_ms"]:,} ms |
| memory of the web process at rest | {memory["at_rest"]} MB |

| minute | memory, median MB | most MB |
|---|---|---|
""".splitlines()
    for minute, one in list(enumerate(memory["by_minute"], 1))[::every]:
        lines.append(f"| {minute} | {one['median']} | {one['most']} |")
    return "\n".join(lines) + "\n"


def field(report: dict[str, Any]) -> str:
    """What the field costs."""
    facts = report["machine"]
    lines = f"""## The field

Made by `quadra bench --field --markdown docs/benchmarks.md`: made-up traffic, scored on one core. Processor time, so that a busy
neighbour costs nothing.

Measured {facts["measured_at"]} on {facts["cores"]} cores, Python {facts["python"]}, load {facts["load_before"]:.1f} before the
start.

| what | a second | goal |
|---|---|---|
""".splitlines()
    for one in report["field"]:
        goal = "" if one["goal"] is None else f"{one['goal']:,}"
        lines.append(f"| {one['name']} | {one['per_second']:,} | {goal} |")
    return "\n".join(lines) + "\n"
