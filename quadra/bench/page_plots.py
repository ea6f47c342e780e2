"""The plots of the page Benchmarks."""

from __future__ import annotations

import msgspec

from quadra.bench import svg
from quadra.bench.kept import Figures, Ingest
from quadra.bench.lenses import Lenses
from quadra.bench.scaled import Scale
from quadra.bench.soak import Soak
from quadra.bench.svg import Band, Bar, Line


class Plot(msgspec.Struct, frozen=True):
    about: str
    svg: str


def plots(figures: Figures) -> dict[str, Plot]:
    """By the names of their files, in the order of the page; of what was measured."""
    found: dict[str, Plot] = {}
    if figures.ingest:
        found["throughput"] = _throughput(figures.ingest)
    if figures.scale and figures.scale.sizes:
        found["cost"] = _cost(figures.scale)
    if figures.lenses:
        found["lenses"] = _lenses(figures.lenses)
    for soak in figures.soaks:
        if soak.looks and soak.minutes:
            name = f"soak-{soak.database.lower()}"
            found[f"{name}-memory"], found[f"{name}-latency"] = _memory(soak), _latency(soak)
    return found


def _throughput(ingest: Ingest) -> Plot:
    rows = [Bar(one.name, one.events_per_second, one.limit) for one in ingest.ingest if one.limit]
    title = "Events a second of one web process, stored and acknowledged"
    return Plot(title, svg.bars(title, "The mark is the limit of this machine, measured in the same minutes.", rows))


def _cost(scale: Scale) -> Plot:
    title = "Processor time of an event, by how many are stored already"
    series = [
        Line("singly", [(size.events, size.single_us) for size in scale.sizes]),
        Line("in arrays of 100", [(size.events, size.array_us) for size in scale.sizes]),
    ]
    about = "µs, web process and worker, until it is analysed and compacted."
    return Plot(title, svg.lines(title, about, series, x_label="stored events", logarithmic=True))


def _lenses(lenses: Lenses) -> Plot:
    title = f"Questions about {lenses.history.events:,} events of {lenses.days} days"
    rows = [Bar(name, lens.median_ms) for name, lens in lenses.lenses.items()]
    return Plot(title, svg.bars(title, "Milliseconds until the whole answer is there.", rows))


def _memory(soak: Soak) -> Plot:
    title = f"Memory during the soak, {soak.database}"
    minutes, at, last = [], 0.0, 0.0
    for look in soak.looks:
        at, last = (at + look.at - last if look.at > last else at + look.at), look.at
        minutes.append(at / 60)
    series = [
        Line("web process", [(x, look.web_mb) for x, look in zip(minutes, soak.looks, strict=True)]),
        Line("worker", [(x, look.worker_mb) for x, look in zip(minutes, soak.looks, strict=True)]),
    ]
    over = [x for x, look in zip(minutes, soak.looks, strict=True) if look.phase == "overload"]
    bands = [Band("overload", min(over), max(over))] if len(over) > 1 else []
    return Plot(title, svg.lines(title, "MB of resident memory.", series, x_label="minutes", bands=bands))


def _latency(soak: Soak) -> Plot:
    title = f"Wait for the acknowledgement during the soak, {soak.database}"
    at, points, over = 0.0, [], []
    for minute in soak.minutes:
        if minute.name == "overload":
            over += [at, at + minute.seconds / 60]
        points.append((at + minute.seconds / 120, minute.p50_ms or 0.0, minute.p99_ms or 0.0))
        at += minute.seconds / 60
    series = [Line("p50", [(x, p50) for x, p50, _ in points]), Line("p99", [(x, p99) for x, _, p99 in points])]
    bands = [Band("overload", min(over), min(max(over), points[-1][0]))] if over else []
    about = "Milliseconds from when a message was due, by minute."
    return Plot(title, svg.lines(title, about, series, x_label="minutes", bands=bands))
