"""The parts of the page Benchmarks: each of one measurement, with its tables."""

from __future__ import annotations

from collections.abc import Iterator

from quadra.bench.kept import AcrossReplicas, Field, Figures, Ingest
from quadra.bench.lenses import Lenses
from quadra.bench.markdown import measured, prose, section, table
from quadra.bench.page_soak import soak
from quadra.bench.rest import Rest
from quadra.bench.scaled import Scale, Size


def parts(figures: Figures) -> Iterator[str]:
    """In the order of the page; of what was measured."""
    if figures.ingest:
        yield ingest(figures.ingest)
    if figures.scale and figures.scale.sizes:
        yield scale(figures.scale)
    if figures.lenses:
        yield lenses(figures.lenses)
    for found in figures.soaks:
        yield soak(found)
    if figures.rest:
        yield rest(figures.rest)
    if figures.replicas:
        yield replicas(figures.replicas)
    if figures.field:
        yield field(figures.field)


def ingest(report: Ingest) -> str:
    rows = []
    for one in report.ingest:
        limit = "" if one.limit is None else f"{one.limit:,}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        figures = (one.p50_ms, one.p99_ms, one.cpu_us_per_event, one.memory_mb)
        rows.append((one.name, f"{one.events_per_second:,}", one.against, limit, ratio, one.goal, *figures))
    head = ("what", "events/s", "limit", "its events/s", "ratio", "goal", "p50 ms", "p99 ms", "CPU µs/event", "RSS MB")
    return section(
        "Ingest against the limits of the machine",
        prose(
            f'Made by `make bench ARGS="--keep docs/benchmarks"`. Each figure is the median of {report.rounds} runs of '
            f"{report.seconds:g} s, run in turns with its limit. After the runs every acknowledged event was "
            f"looked for in the database."
        ),
        measured(report.machine),
        prose(
            "Limits: *lane* is Socket.IO on the same loop that acknowledges and stores nothing; *parse* is a "
            "Flask route that parses "
            "and answers; *insert* is the writer's own statement in groups of 1,000 with nothing around it. "
            "Unless a line says so, the "
            "worker that analyses and compacts is not on these cores; memory and processor time are those of the web process."
        ),
        prose(
            "What holds a ratio down on two cores: a limit that stores nothing needs one core and the generator "
            "a third of the other, "
            "while Quadra's loop, its writer, the database and the generator share both. A busy neighbour therefore costs Quadra "
            "twice. CPU per event moves little with load and is the steadier figure."
        ),
        table(head, rows),
    )


def scale(report: Scale) -> str:
    sizes = [f"{size.events:,}" for size in report.sizes]
    rows = []
    for same in zip(*(_of_size(size) for size in report.sizes), strict=True):
        first = same[0][1] or 1.0
        rows.append(
            (same[0][0], *(f"{value:,.1f}" for _, value in same), *(f"{value / first:.2f}" for _, value in same[1:]))
        )
    head = ("web processes", "single events/s together", "CPU µs/event, with the worker", "of it web", "load")
    beside = [
        (one.replicas, f"{one.events_per_second:,}", one.single_us, one.single_web_us, one.load)
        for one in report.replicas
    ]
    return section(
        "Scale",
        prose(
            f"Made by `quadra bench --scale --keep docs/benchmarks`: the same work beside histories of "
            f"{report.days} days, of a web "
            "process and a worker over SQLite. A ratio of 1 means that history costs nothing. Figures in µs and "
            "ms are processor time, "
            "which a busy neighbour moves less; *again* is the same question once more, of which the answer itself was not kept. "
            "Backups and recoveries are whole commands."
        ),
        measured(report.machine),
        f"Load beside the sizes: {', '.join(f'{size.load:.1f}' for size in report.sizes)}.",
        table(("stored events", *sizes, *(f"ratio at {size}" for size in sizes[1:])), rows),
        "Replicas over one PostgreSQL, with one worker, on the same cores:" if beside else "",
        table(head, beside) if beside else "",
    )


def _of_size(size: Size) -> list[tuple[str, float]]:
    return [
        ("an event singly, µs", size.single_us),
        ("of it the web process", size.single_web_us),
        ("an event in an array of 100, µs", size.array_us),
        ("of it the web process", size.array_web_us),
        *((f"{asked.title}, first, ms", asked.first_cpu_ms) for asked in size.questions),
        *((f"{asked.title}, again, ms", asked.again_cpu_ms) for asked in size.questions),
        ("full backup, s", size.backup_seconds),
        ("of it processor time", size.backup_cpu_seconds),
        ("recovery on an empty machine, s", size.recover_seconds),
        ("of it processor time", size.recover_cpu_seconds),
        ("memory of the web process, MB", size.web_mb),
        ("memory of the worker, MB", size.worker_mb),
        ("disk, MB", size.disk_mb),
    ]


def lenses(report: Lenses) -> str:
    rows = [(name, one.median_ms, one.first_ms, one.cpu_ms) for name, one in report.lenses.items()]
    return section(
        "Questions",
        prose(
            f"Made by `quadra bench --lenses --keep docs/benchmarks`: {report.history.events:,} events of {report.days} days, "
            f"{report.history.bytes_per_event:g} bytes each once compacted. The way of a question from the lens "
            f"to its answer, without "
            "HTTP; the same files under DuckDB alone: [warehouse](warehouse.md)."
        ),
        measured(report.machine),
        table(("question", "median ms", "first ms", "CPU ms"), rows),
    )


def rest(report: Rest) -> str:
    rows = [
        ("web process", f"{report.web_percent:.2f}", f"{report.web_mb:.0f}"),
        ("worker", f"{report.worker_percent:.2f}", f"{report.worker_mb:.0f}"),
        ("together", f"{report.web_percent + report.worker_percent:.2f}", f"{report.web_mb + report.worker_mb:.0f}"),
    ]
    return section(
        "At rest",
        prose(
            f"Made by `quadra bench --rest --keep docs/benchmarks`: {report.events:,} events stored, one dashboard open over a "
            f"websocket, nobody sends; {report.seconds:g} s. Goal: below 1 % of a core and 250 MB together."
        ),
        measured(report.machine),
        table(("process", "% of a core", "memory, MB"), rows),
    )


def replicas(report: AcrossReplicas) -> str:
    rows = [(one.name, one.events, one.p50_ms, one.p99_ms) for one in report.replicas]
    return section(
        "Across replicas",
        prose(
            "Made by `quadra bench --replicas REDIS_URL --postgres URL --keep docs/benchmarks`: from before the "
            "request with one event "
            "until it is on a dashboard, of the replica that took it and of another one. Goal: p99 below 100 ms."
        ),
        measured(report.machine),
        table(("on a dashboard of", "events", "p50 ms", "p99 ms"), rows),
    )


def field(report: Field) -> str:
    rows = [(one.name, f"{one.per_second:,}", "" if one.goal is None else f"{one.goal:,}") for one in report.field]
    return section(
        "The field",
        prose(
            "Made by `quadra bench --field --keep docs/benchmarks`: made-up traffic, scored on one core. "
            "Processor time, so that a "
            "busy neighbour costs nothing."
        ),
        measured(report.machine),
        table(("what", "a second", "goal"), rows),
    )
