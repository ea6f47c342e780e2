"""The page docs/benchmarks-peers.md: page.md with the figures that lie beside it. No figure on the page is typed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from quadra.bench.markdown import prose, table
from quadra.bench.peers.measure import ASKED, REST_SECONDS, WARM, Sizes, Turn
from quadra.bench.peers.product import PANELS

CAUTION = "\n\n" + prose(
    "**Others used the cores meanwhile.** Events per second and waits are far below those of a quiet machine, and a product that "
    "takes few events pays more for each: it stays cold, and its upkeep is shared by few. Take orders of magnitude from these "
    "figures, no ratios."
)
TEMPLATE = Path(__file__).with_name("page.md")


class Report(msgspec.Struct):
    """What `scripts/bench_peers.py` keeps as JSON."""

    machine: dict[str, Any]
    sizes: Sizes
    missing: dict[str, str]
    """Product -> why it cannot be had where this was measured."""
    prisma: str
    turns: list[Turn]


class Published(msgspec.Struct):
    """A figure that others have published."""

    product: str
    figure: str
    machine: str
    date: str
    source: str


def page(report: Report, published: list[Published]) -> str:
    turns: dict[str, list[Turn]] = {}
    for one in report.turns:
        turns.setdefault(one.product, []).append(one)
    number = max(Counter(one.product for one in report.turns).values())
    known = [one.load_before for one in report.turns]
    facts, sizes = report.machine, report.sizes
    told = [f"- **{name.capitalize()}**: {reason}." for name, reason in report.missing.items()]
    return TEMPLATE.read_text().format(
        measured_at=f"{facts['measured_at'][:16]}Z",
        cores=facts["cores"],
        system=facts["system"],
        turns=f"{number} turn{'s' if number > 1 else ''}",
        least_load=f"{min(known):g}",
        most_load=f"{max(known):g}",
        caution=CAUTION if max(known) > facts["cores"] else "",
        clients=sizes.clients,
        seconds=f"{sizes.seconds:g}",
        rest_seconds=REST_SECONDS,
        events=f"{sizes.events:,}",
        asked=ASKED,
        warm=WARM,
        loads=_loads(turns),
        holdings=_holdings(turns),
        panels=_panels(turns),
        quadra=_version(turns, "Quadra"),
        umami=_version(turns, "Umami"),
        prisma=report.prisma,
        missing="\n".join(told) or "Nothing that was asked for.",
        published=table(
            ["product", "figure", "machine", "date"],
            [[f"[{one.product}]({one.source})", one.figure, one.machine, one.date] for one in published],
        ),
    )


def _version(turns: dict[str, list[Turn]], product: str) -> str:
    return turns[product][0].version if product in turns else "(not measured)"


def _loads(turns: dict[str, list[Turn]]) -> str:
    heads = ["", "events/s", "p50, p99 ms", "µs an event: product", "PostgreSQL", "both", "memory under load, MB"]
    rows = []
    for product, of in turns.items():
        for runs in zip(*(one.loads for one in of), strict=True):
            own = median(run.product_us_per_event for run in runs)
            database = median(run.database_us_per_event for run in runs)
            waits = f"{median(run.p50_ms for run in runs):,.0f}, {median(run.p99_ms for run in runs):,.0f}"
            figures = [f"{median(run.events_per_second for run in runs):,.0f}", waits]
            figures += [f"{own:,.0f}", f"{database:,.0f}", f"{own + database:,.0f}"]
            rows.append([f"{product}, {runs[0].door}", *figures, f"{median(run.product_mb for run in runs):,.0f}"])
    return table(heads, rows)


def _holdings(turns: dict[str, list[Turn]]) -> str:
    heads = ["", "processor", "memory, MB", "bytes an event in PostgreSQL", "in files"]
    rows = [
        [
            product,
            f"{median(one.rest_cpu_percent for one in of):.1f} % of a core",
            f"{median(one.rest_mb for one in of):,.0f}",
            f"{median(one.database_bytes_per_event for one in of):,.0f}",
            f"{median(one.file_bytes_per_event for one in of):,.0f}",
        ]
        for product, of in turns.items()
    ]
    return table(heads, rows)


def _panels(turns: dict[str, list[Turn]]) -> str:
    rows = []
    for number, panel in enumerate(PANELS):
        found = [[one.panels[number] for one in of] for of in turns.values()]
        cells = [f"{median(one.ms for one in of):,.0f}, {median(one.cpu_ms for one in of):,.0f}" for of in found]
        rows.append([panel, *cells])
    return table(["", *(f"{product}: ms, processor ms" for product in turns)], rows)
