"""The benchmark's scoring, on rows that can be reckoned by hand; the corpus itself where its folder is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.field.nab import Scored, corpus, raw, read, sigmoid, weights

FOLDER = os.environ.get("QUADRA_NAB")


def scored(detected: set[int], windows: list[tuple[int, int]], rows: int = 200) -> Scored:
    return Scored([1.0 if row in detected else 0.0 for row in range(rows)], windows)


def test_the_earlier_a_window_is_found_the_more_it_counts() -> None:
    first, last = (raw(one, weights(one), 0.5) for one in (scored({100}, [(100, 119)]), scored({119}, [(100, 119)])))
    assert first == pytest.approx(1.0)
    assert 0 < last < 0.2


def test_a_window_counts_once_and_a_missed_one_costs_one() -> None:
    once, twice = scored({100}, [(100, 119), (150, 169)]), scored({100, 110}, [(100, 119), (150, 169)])
    assert raw(once, weights(once), 0.5) == raw(twice, weights(twice), 0.5) == pytest.approx(0.0)


def test_a_false_alarm_costs_the_more_the_farther_it_lies_behind_a_window() -> None:
    near, far = scored({100, 120}, [(100, 119)]), scored({100, 190}, [(100, 119)])
    assert raw(near, weights(near), 0.5) == pytest.approx(1.0 + 0.11 * sigmoid(1 / 19))
    assert raw(far, weights(far), 0.5) == pytest.approx(1.0 - 0.11)


def test_nothing_counts_on_probation() -> None:
    one = scored({5, 29}, [], rows=200)
    assert raw(one, weights(one), 0.5) == 0.0


def test_the_silent_detector_gets_0_and_the_perfect_one_100() -> None:
    silent, perfect = scored(set(), [(100, 119)]), scored({100}, [(100, 119)])
    assert corpus([silent])[0] == 0.0
    assert corpus([perfect])[0] == pytest.approx(100.0)


@pytest.mark.skipif(not FOLDER, reason="QUADRA_NAB names no folder with series of the benchmark and their windows.json")
def test_the_detector_reaches_60_on_the_benchmark() -> None:
    folder = Path(FOLDER or "")
    windows = json.loads((folder / "windows.json").read_text())
    best, left_out, _ = corpus([read(folder, name, of) for name, of in windows.items()])
    assert best >= 60
    assert left_out >= 60
