"""`quadra bench` refuses what excludes each other, and what it does not use, before it measures for minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from quadra.bench.commands import bench
from quadra.bench.options import INGEST, TAKES


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--soak --scale", "--soak does not take --scale: one measurement at a time"),
        ("--rest --lenses", "--lenses does not take --rest: one measurement at a time"),
        ("--soak --iterations 3", "--soak does not take --iterations"),
        ("--suite json --keep .", "--suite does not take --keep"),
        ("--rest --postgres postgresql://x", "--rest does not take --postgres"),
        ("--saturation 5", "--saturation is of --soak"),
        ("--until 200000", "--until is of --scale"),
        ("--scale --until 99", "smallest history has 100,000 events"),
        ("--replicas redis://x", "--replicas needs --postgres"),
        ("--scale --replicas redis://x", "--replicas needs --postgres"),
        ("--rounds 0", "'--rounds'"),
        ("--scale --seconds 0", "'--seconds'"),
        ("--soak --steady-minutes 0", "'--steady-minutes'"),
        ("--suite nothing", "'--suite'"),
        ("--rest --keep ./nowhere", "'--keep'"),
        ("--rest --output ./nowhere/figures.json", "--output: there is no folder nowhere"),
        ("--compare ./figures.json", "holds no figures of"),
    ],
)
def test_what_cannot_be_measured_as_it_was_asked_is_said_at_once(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures.json").write_text("[]")
    result = CliRunner().invoke(bench, words.split())
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_every_option_is_of_some_measurement() -> None:
    known = {*TAKES, *INGEST, "output", *(name for names in TAKES.values() for name in names)}
    assert {one.name for one in bench.params} == known


def test_a_number_of_which_nothing_is_measured_is_refused_beside_other_products() -> None:
    script = Path(__file__).parents[2] / "scripts" / "bench_peers.py"
    done = subprocess.run([sys.executable, script, "--rounds", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--rounds: 0 is not above 0" in done.stderr
