"""The page Benchmarks: made of the files beside it, typed nowhere, and true about what they hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quadra.bench import page, svg
from quadra.bench.billion import billion
from quadra.bench.kept import Figures
from quadra.bench.page_parts import scale
from quadra.bench.scaled import Question, Scale, Size
from quadra.bench.svg import Bar, Line

DOCS = Path(__file__).resolve().parents[2] / "docs"
MACHINE = {
    "measured_at": "2026-11-30T10:00:00Z",
    "quadra": "1",
    "python": "3.11",
    "system": "Linux",
    "cores": 2,
    "memory_gb": 8,
    "load_before": 0.5,
    "libraries": {},
}


def of(events: int, cost: float) -> Size:
    asked = [Question("trends, 30 days", cost, 1.0)]
    return Size(
        events,
        "then",
        0.5,
        1.0,
        cost,
        20.0,
        cost / 2,
        5.0,
        asked,
        2.0,
        1.0,
        3.0,
        2.0,
        150.0,
        200.0,
        events * 60 / 2**20,
    )


def test_the_page_and_its_plots_are_what_the_files_beside_it_make() -> None:
    for path, text in page.made(DOCS / "benchmarks").items():
        assert path.read_text() == text, (
            f"{path.name}: make it anew by `quadra bench --keep docs/benchmarks`, or page.make"
        )


def test_a_figure_that_is_typed_into_the_page_does_not_stay(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "benchmarks", tmp_path / "benchmarks")
    there = (DOCS / "benchmarks.md").read_text()
    (tmp_path / "benchmarks.md").write_text(there.replace("| Socket.IO, single events", "| Socket.IO, faster events"))
    page.make(tmp_path / "benchmarks")
    assert (tmp_path / "benchmarks.md").read_text() == there
    assert page.LEDGER in there


def test_plots_are_xml_with_both_schemes_and_no_script() -> None:
    for plot in [
        svg.bars("<Bars>", "a & b", [Bar("one", 3.0, 5.0), Bar("none", 0.0)]),
        svg.lines("Lines", "about", [Line("a", [(10, 1.0), (1_000, 4.0)])], x_label="x", logarithmic=True),
    ]:
        root = ElementTree.fromstring(plot)
        assert root.tag.endswith("svg")
        assert "prefers-color-scheme: dark" in plot
        assert "script" not in plot
        assert "currentColor" not in plot


@pytest.mark.parametrize(
    ("most", "end"), [(0, 1), (3, 4), (4, 4), (5, 5), (5.5, 6), (9, 10), (35_970, 40_000), (0.03, 0.04)]
)
def test_a_scale_ends_at_a_round_figure(most: float, end: float) -> None:
    assert svg.nice(most) == pytest.approx(end)


def test_each_figure_of_scale_stands_beside_its_ratio_to_the_smallest_history() -> None:
    lines = scale(Scale(MACHINE, sizes=[of(100_000, 50.0), of(1_000_000, 60.0)])).splitlines()
    assert lines[0] == "## Scale"
    assert "| stored events | 100,000 | 1,000,000 | ratio at 1,000,000 |" in lines
    assert "| an event singly, µs | 50.0 | 60.0 | 1.20 |" in lines
    assert "| trends, 30 days, first, ms | 50.0 | 60.0 | 1.20 |" in lines


def test_what_a_billion_events_need_follows_from_what_one_costs() -> None:
    found = billion(Figures(scale=Scale(MACHINE, sizes=[of(1_000_000, 50.0)])))
    assert "11,574; 34,722" in found
    assert "34,722/s · 20.0 µs / 0.6 | 1.2: 2 |" in found  # 0.69 cores, filled to 0.6
    assert "| 60 GB a day, 21.9 TB a year |" in found
    assert billion(Figures()) == ""


def test_nothing_is_said_of_what_was_not_measured(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "field.json").write_text(json.dumps({"machine": MACHINE, "field": []}))
    page.make(tmp_path / "some")
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["field.json"]
    headings = [line for line in (tmp_path / "some.md").read_text().splitlines() if line.startswith("#")]
    assert headings == ["# Benchmarks", "## The field"]
