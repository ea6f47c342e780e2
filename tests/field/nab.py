"""The scoring of the Numenta Anomaly Benchmark, standard profile, written from its published description.

    python -m tests.field.nab FOLDER

prints the score of `quadra field score` over the series that FOLDER/windows.json names. A detection counts for its window by
how early it comes; one outside costs by how far behind the last window it lies. The threshold is the best for all files
together, as the benchmark has it; `left_out` takes for each file the best threshold of the others.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quadra.field.series import Series
from quadra.field.series_file import SeriesFile

FALSE_POSITIVE, MISSED = 0.11, 1.0
PROBATION, PROBATION_MOST = 0.15, 750


@dataclass(frozen=True)
class Scored:
    scores: Sequence[float]
    windows: Sequence[tuple[int, int]]
    """First and last row of each."""

    @property
    def probation(self) -> int:
        return min(int(PROBATION * len(self.scores)), PROBATION_MOST)


def sigmoid(position: float) -> float:
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def weights(one: Scored) -> list[tuple[int | None, float]]:
    """Of each row: its window, and what a detection there counts."""
    found: list[tuple[int | None, float]] = []
    last: tuple[int, int] | None = None
    for row in range(len(one.scores)):
        inside = next((i for i, (first, end) in enumerate(one.windows) if first <= row <= end), None)
        if inside is not None:
            first, end = last = one.windows[inside]
            found.append((inside, sigmoid(-(end - row + 1) / (end - first + 1)) / sigmoid(-1.0)))
        elif last is None:
            found.append((None, -FALSE_POSITIVE))
        else:
            first, end = last
            found.append((None, FALSE_POSITIVE * sigmoid((row - end) / (end - first))))
    return found


def raw(one: Scored, weighed: Sequence[tuple[int | None, float]], threshold: float) -> float:
    best: dict[int, float] = {}
    total = 0.0
    for row in range(one.probation, len(one.scores)):
        if one.scores[row] >= threshold:
            window, weight = weighed[row]
            if window is None:
                total += weight
            else:
                best[window] = max(best.get(window, -math.inf), weight)
    return total + sum(best.values()) - MISSED * (len(one.windows) - len(best))


def normalised(total: float, windows: int) -> float:
    """0 is what a detector gets that says nothing, 100 a perfect one."""
    return 100 * (total + windows) / (2 * windows)


def corpus(files: Sequence[Scored]) -> tuple[float, float, float]:
    """(score with the best threshold, score with each file's threshold taken from the others, the best threshold)"""
    every = sorted((score for one in files for score in one.scores[one.probation :]), reverse=True)
    # the highest scores one by one, then ever farther apart: what detects a twentieth of all rows is no detector
    ranks = sorted({min(int(1.03**power), len(every) - 1) for power in range(int(math.log(len(every) / 20, 1.03)))})
    thresholds = [1.1, *(every[rank] for rank in (0, *ranks))]
    weighed = [weights(one) for one in files]
    table = [[raw(one, w, threshold) for threshold in thresholds] for one, w in zip(files, weighed, strict=True)]
    windows = sum(len(one.windows) for one in files)
    sums = [sum(row[i] for row in table) for i in range(len(thresholds))]
    best = max(range(len(thresholds)), key=sums.__getitem__)
    others = 0.0
    for row in table:
        chosen = max(range(len(thresholds)), key=lambda i, row=row: sums[i] - row[i])  # type: ignore[misc]
        others += row[chosen]
    return normalised(sums[best], windows), normalised(others, windows), thresholds[best]


def read(folder: Path, name: str, windows: Sequence[Sequence[str]]) -> Scored:
    rows = list(SeriesFile(folder / name).rows())
    places = {row.cells[0]: i for i, row in enumerate(rows)}
    series = Series()
    scores = [series.score(row.value, row.at) for row in rows]
    found = []
    for first, last in windows:
        begin, end = (str(datetime.fromisoformat(text)) for text in (first, last))
        found.append((places[begin], places[end]))
    return Scored(scores, found)


def main(folder: Path) -> None:
    windows = json.loads((folder / "windows.json").read_text())
    files = [read(folder, name, of) for name, of in windows.items()]
    best, left_out, threshold = corpus(files)
    for name, one in zip(windows, files, strict=True):
        got = raw(one, weights(one), threshold) + len(one.windows)
        sys.stdout.write(f"{name:55} {got:6.2f} of {2 * len(one.windows)}\n")
    sys.stdout.write(f"score {best:.1f} at {threshold:.3f}; with the threshold of the other files {left_out:.1f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
