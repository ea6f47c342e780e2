"""The list of pages and what is written about it."""

from __future__ import annotations

import re
from pathlib import Path

from quadra.dashboard.pages import PAGES

TOP = Path(__file__).resolve().parents[2]
STATIC = TOP / "quadra" / "dashboard" / "static"


def test_the_document_names_each_page_once() -> None:
    rows = re.findall(r"^\| ([A-Z][^|]*?) \|", (TOP / "docs" / "pages.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(page.title for page in PAGES)


def test_each_board_has_its_module() -> None:
    assert [page.slug for page in PAGES if page.lenses and not (STATIC / page.slug / "main.js").is_file()] == []
