"""The first screen of the page Benchmarks: how many, how dear, how long, how much, against what, and how to repeat it."""

from __future__ import annotations

from quadra.bench.kept import Figures, Ingested
from quadra.bench.markdown import prose, table

HEAD = prose(
    "What one Quadra does on the machine named below, web process, worker, database and senders together "
    "on it. Every figure and plot "
    "is made by `quadra bench` from [the files beside this page](benchmarks/). Machines are shared, so "
    "the ratio to a limit measured in "
    "the same minutes says more than a figure alone."
)
SHOWN = ("Socket.IO, single events", "Socket.IO, arrays of 100", "HTTP, 1,000 events a request")


def glance(figures: Figures) -> str:
    lines = [
        *_ingest(figures),
        *_cost(figures),
        *_questions(figures),
        *_soak(figures),
        *_rest(figures),
        *_machine(figures),
    ]
    lines.append(("other products", "[beside Quadra on one machine](benchmarks-peers.md)", "`scripts/bench_peers.py`"))
    lines.append(
        (
            "do it yourself",
            '`make bench ARGS="--keep docs/benchmarks"`',
            "the other measurements: `quadra bench --help`",
        )
    )
    return "\n\n".join(["# Benchmarks", HEAD, table(("at a glance", "", "against"), lines)])


Lines = list[tuple[str, str, str]]


def _ingest(figures: Figures) -> Lines:
    if figures.ingest is None:
        return []
    found = []
    for shape in SHOWN:
        rows = [one for one in figures.ingest.ingest if one.name in (f"{shape}, SQLite", f"{shape}, PostgreSQL")]
        said = " · ".join(f"{one.name.rpartition(', ')[2]} {one.events_per_second:,}/s" for one in rows)
        found.append((shape, said, " · ".join(_against(one) for one in rows)))
    return found


def _against(one: Ingested) -> str:
    names = {"lane": "the bare lane", "insert": "the bare insert", "parse": "a route that parses"}
    return f"{one.ratio:.2f} of {names[one.against]}" if one.ratio is not None else ""


def _cost(figures: Figures) -> Lines:
    if not figures.scale or not figures.scale.sizes:
        return []
    first, last = figures.scale.sizes[0], figures.scale.sizes[-1]
    return [
        (
            "processor time of an event, stored, analysed and compacted",
            f"{last.single_us:.0f} µs singly, {last.array_us:.0f} µs in arrays, beside {last.events:,} events",
            f"{last.single_us / first.single_us:.2f} and {last.array_us / first.array_us:.2f} of that beside {first.events:,}",
        ),
        (
            "disk",
            f"{last.disk_mb * 2**20 / last.events:.0f} bytes an event",
            "goal: 60 once compacted",
        ),
    ]


def _questions(figures: Figures) -> Lines:
    if figures.lenses is None:
        return []
    lenses, asked = figures.lenses.lenses, ("trends", "retention by day", "funnel, ordered", "sessions")
    said = ", ".join(f"{name} {lenses[name].median_ms:.0f} ms" for name in asked if name in lenses)
    return [
        (f"a question about {figures.lenses.history.events:,} events", said, "goal: 100 ms, sessions and paths 200")
    ]


def _soak(figures: Figures) -> Lines:
    found = []
    for soak in figures.soaks:
        web = max((look.web_mb for look in soak.looks), default=0.0)
        worker = max((look.worker_mb for look in soak.looks), default=0.0)
        back = "not within a minute" if soak.back_seconds is None else f"{soak.back_seconds} s after it"
        load = f"{soak.steady_minutes:g} min at 80 %, {soak.overload_minutes:g} at 200 % of {soak.saturation_per_second:,}/s"
        said = (
            f"{soak.lost:,} of {soak.acknowledged:,} acknowledged events lost; latency back {back}; memory at the "
            f"most {web:.0f} MB "
            f"web, {worker:.0f} MB worker"
        )
        found.append((f"{load}, {soak.database}", said, "goal: none lost, back within 10 s, web below 200 MB"))
    return found


def _rest(figures: Figures) -> Lines:
    rest = figures.rest
    if rest is None:
        return []
    return [
        (
            "at rest, one dashboard open",
            f"{rest.web_percent + rest.worker_percent:.1f} % of a core; {rest.web_mb:.0f} MB web, {rest.worker_mb:.0f} MB worker",
            "goal: 1 %, 250 MB together",
        )
    ]


def _machine(figures: Figures) -> Lines:
    measured = next((one.machine for one in (figures.ingest, figures.scale, *figures.soaks) if one), None)
    if measured is None:
        return []
    cores, python, memory = measured["cores"], measured["python"], measured["memory_gb"]
    said = f"{cores} cores, {memory} GB, {measured['system']}, Python {python}"
    return [("machine", said, f"load {measured['load_before']:.1f} before the start")]
