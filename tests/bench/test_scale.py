"""The part of the page Benchmarks that says what grows with history."""

from __future__ import annotations

from quadra.bench.scale import Size, part


def test_each_figure_stands_beside_its_ratio_to_the_smallest_history() -> None:
    sizes = [Size(100_000, {"backup, s": 2.0}, 0.5, "then"), Size(1_000_000, {"backup, s": 5.0}, 0.7, "now")]
    lines = part(sizes).splitlines()
    assert lines[0] == "## Scale"
    assert lines[-3:] == [
        "| stored events | 100,000 | 1,000,000 | ratio at 1,000,000 |",
        "|---|---|---|---|",
        "| backup, s | 2.0 | 5.0 | 2.50 |",
    ]
    assert "Measured now" in part(sizes)
    assert "load 0.5, 0.7" in part(sizes)
