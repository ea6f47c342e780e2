"""What has a list in the code has its row in the documents: whoever adds a lens, a column or a sink is told by a red test."""

from __future__ import annotations

import re
from pathlib import Path

from quadra.analytics.lens_list import LENSES
from quadra.ingest.columns import COLUMNS
from quadra.sinks.registry import SINKS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def rows(name: str) -> set[str]:
    """Every name in backquotes that stands in the first cell of a table."""
    cells = re.findall(r"^\| ([^|]*) \|", (DOCS / name).read_text(), re.MULTILINE)
    return {found for cell in cells for found in re.findall(r"`([^`]+)`", cell)}


def test_every_lens_has_its_rules() -> None:
    assert {lens.path for lens in LENSES} - rows("lenses.md") == set()


def test_every_link_to_rules_leads_to_a_heading() -> None:
    text = (DOCS / "lenses.md").read_text()
    headings = {line[3:].lower().replace(" ", "-") for line in text.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= headings


def test_every_column_is_described() -> None:
    assert {column.name for column in COLUMNS} - rows("warehouse.md") == {"project_id"}  # a segment is of one project


def test_every_sink_has_a_section() -> None:
    headings = {line[3:] for line in (DOCS / "sinks.md").read_text().splitlines() if line.startswith("## ")}
    assert {sink.title for sink in SINKS} <= headings
