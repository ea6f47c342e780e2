"""Small pieces of work, timed, kept and compared: `quadra bench --iterations`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quadra.bench import commands, pieces
from quadra.bench.suite import BenchmarkSuite, load_results, summary
from quadra.core.errors import Invalid


def bench(*words: str) -> Result:
    return CliRunner().invoke(commands.bench, words)


def test_a_result_says_how_runs_were_spread() -> None:
    found = summary("s", "n", [1.0, 2.0, 3.0, 4.0, 10.0])
    assert (found.iterations, found.mean, found.median, found.min, found.max) == (5, 4.0, 3.0, 1.0, 10.0)
    assert (found.stdev, found.p50, found.p95, found.p99) == (3.5355, 3.0, 8.8, 9.76)
    assert summary("s", "n", [2.0]).stdev == 0.0


def test_work_runs_once_more_than_is_counted() -> None:
    ran: list[int] = []
    suite = BenchmarkSuite(iterations=3)
    assert suite.run_benchmark("count", lambda: ran.append(1)).iterations == 3
    assert len(suite.measure(lambda: ran.append(1), 2)) == 2
    assert len(ran) == 4 + 3


def test_results_are_saved_and_compared(tmp_path: Path) -> None:
    earlier, now = BenchmarkSuite(machine={"cores": 2}), BenchmarkSuite()
    earlier.results = [summary("s", "same", [2.0]), summary("s", "gone", [1.0])]
    earlier.save_results(tmp_path / "earlier.json")
    now.results = [summary("s", "same", [3.0]), summary("s", "new", [1.0])]
    assert now.compare(tmp_path / "earlier.json") == ["s: same: median 2.000 -> 3.000 ms (+50%)"]
    saved = json.loads((tmp_path / "earlier.json").read_text())
    assert (saved["unit"], saved["machine"], saved["results"][0]["median"]) == ("ms", {"cores": 2}, 2.0)
    assert load_results(tmp_path / "earlier.json") == earlier.results


def test_a_file_without_results_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"ingest": []}')
    done = bench("--iterations", "1", "--compare", str(tmp_path / "other.json"))
    assert isinstance(done.exception, Invalid)
    assert "holds no results" in str(done.exception)
    assert "NumPy" not in done.output


@pytest.mark.parametrize(("words", "said"), [(("--suite", "GPU"), "'numpy'"), (("--iterations", "0"), "1<=x")])
def test_a_wrong_word_is_answered_with_what_is_taken(words: tuple[str, ...], said: str) -> None:
    done = bench(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_every_suite_measures_each_of_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "HISTORY_EVENTS", 1_000)
    monkeypatch.setattr(pieces, "HISTORY_DAYS", 2)
    done = bench("--iterations", "1", "--output", str(tmp_path / "out.json"))
    assert done.exit_code == 0, done.output
    found = load_results(tmp_path / "out.json")
    assert list(dict.fromkeys(one.suite for one in found)) == ["NumPy", "JSON", "field", "database", "ingest", "lenses"]
    assert all(one.iterations == 1 and one.median > 0 for one in found)
    assert f"{found[0].suite}: {found[0].name}" in done.output
