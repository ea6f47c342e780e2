"""The page docs/benchmarks.md and its plots, made of the figures that are kept beside it: nothing on it is typed.

What stands under the heading `LEDGER` and after it is written by hand and stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

from quadra.bench import page_parts, page_plots
from quadra.bench.billion import billion
from quadra.bench.kept import Figures
from quadra.bench.page_glance import glance
from quadra.core.typed import Typed

LEDGER = "## What was tried for the cost of an event"


def replace(path: Path, text: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(text)
    beside.replace(path)


def make(folder: Path) -> None:
    """Of docs/benchmarks: docs/benchmarks.md, and the plots in the folder."""
    for path, text in made(folder).items():
        replace(path, text.encode())


def made(folder: Path) -> dict[Path, str]:
    """What belongs into each file."""
    figures = read(folder)
    plots = page_plots.plots(figures)
    shown = [f"![{plot.about}]({folder.name}/{name}.svg)" for name, plot in plots.items()]
    parts = [glance(figures), *shown, *page_parts.parts(figures), billion(figures)]
    page = folder.with_suffix(".md")
    by_hand = page.read_text().partition(LEDGER) if page.exists() else ("", "", "")
    text = "\n\n".join(part.strip() for part in parts if part) + "\n"
    if by_hand[1]:
        text += "\n" + LEDGER + by_hand[2]
    return {page: text, **{folder / f"{name}.svg": plot.svg for name, plot in plots.items()}}


FIGURES = Typed(Figures)


def read(folder: Path) -> Figures:
    """Every file of figures that is there."""
    found = {path.stem.replace("-", "_"): json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    return FIGURES.convert(found)
