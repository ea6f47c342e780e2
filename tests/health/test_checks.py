"""The list of checks and what `docs/health.md` says of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quadra.health.checks import CHECKS
from quadra.health.verdict import DEGRADED, PARTS

DOCS = Path(__file__).parents[2] / "docs" / "health.md"


def documented() -> dict[str, str]:
    """check -> what its column `unhealthy` says"""
    table = DOCS.read_text().split("## The checks")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line[:3] == "| `"]
    return {cells[0].strip("|` *"): cells[2] for cells in rows}


def test_every_check_is_documented_once_and_nothing_else_is() -> None:
    names = [check.name for check in CHECKS]
    assert sorted(names) == sorted(documented())
    assert len(set(names)) == len(names) > 15


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_is_never_worse_than_degraded_is_documented_as_that(check) -> None:
    never = bool(re.match("never", documented()[check.name]))
    assert never == (check.worst == DEGRADED)
    assert check.part in PARTS
