"""docs/security.md: every test that it names is there, and every point of ASVS 5.0 up to level 2 has one verdict."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "docs" / "security.md").read_text()
POINTS = """\
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4
5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2
8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3
11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5
14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2"""
"""Section and how many points of it are of level 1 or 2; within a section these come first."""
VERDICTS = {"met", "partly", "**not met**", "operator", "n/a"}


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    there = {
        name for path in (TOP / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert named
    assert named <= there, named - there


def test_every_point_of_level_2_has_one_verdict() -> None:
    wanted = [
        f"{section}.{n}"
        for part in POINTS.split()
        for section, count in [part.split(":")]
        for n in range(1, int(count) + 1)
    ]
    rows = re.findall(r"^\| ([\d., ]+) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert sorted(point for points, _, _ in rows for point in points.split(", ")) == sorted(wanted)
    assert {verdict for _, verdict, _ in rows} <= VERDICTS
