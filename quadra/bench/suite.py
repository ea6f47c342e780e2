"""Time small pieces of work, one after the other in this process, and compare them with an earlier run.

What a whole Quadra takes beside the limits of the machine is another measurement: `quadra bench` without `--iterations`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from quadra.core.errors import Invalid
from quadra.core.typed import Typed

Work = Callable[[], object]
ITERATIONS = 50


class Benchmark(msgspec.Struct, frozen=True):
    """How long a piece of work took, in milliseconds."""

    suite: str
    name: str
    iterations: int
    mean: float
    median: float
    min: float
    max: float
    stdev: float
    p50: float
    p95: float
    p99: float


class Saved(msgspec.Struct):
    """What a file of results holds."""

    machine: dict[str, Any]
    results: list[Benchmark]
    unit: str = "ms"


SAVED = Typed(Saved)


class BenchmarkSuite:
    """Benchmarks and their results."""

    def __init__(self, iterations: int = ITERATIONS, machine: dict[str, Any] | None = None):
        self.iterations = iterations
        self.machine = machine or {}
        self.results: list[Benchmark] = []

    def measure(self, work: Work, iterations: int | None = None) -> list[float]:
        """Milliseconds of each run; one before them warms caches and is not counted."""
        work()
        taken = []
        for _ in range(iterations or self.iterations):
            began = time.perf_counter_ns()
            work()
            taken.append((time.perf_counter_ns() - began) / 1e6)
        return taken

    def run_benchmark(self, name: str, work: Work, iterations: int | None = None, *, suite: str = "") -> Benchmark:
        """Measure it and keep the result."""
        self.results.append(summary(suite, name, self.measure(work, iterations)))
        return self.results[-1]

    def print_summary(self, say: Callable[[str], object] = click.echo) -> None:
        """A line for each result."""
        width = max((len(_title(one)) for one in self.results), default=0)
        say(f"{'milliseconds':{width}} {'median':>10} {'mean':>10} {'p95':>10} {'p99':>10} {'max':>10}")
        for one in self.results:
            figures = (one.median, one.mean, one.p95, one.p99, one.max)
            say(f"{_title(one):{width}} " + " ".join(f"{figure:10.3f}" for figure in figures))

    def save_results(self, path: Path | str) -> None:
        """As JSON, with what the machine is."""
        saved = msgspec.json.encode(Saved(self.machine, self.results))
        Path(path).write_bytes(msgspec.json.format(saved, indent=2) + b"\n")

    def compare(self, path: Path) -> list[str]:
        """A line for each result that an earlier file has too. Raises `Invalid` for a file that is none."""
        earlier = {(one.suite, one.name): one for one in load_results(path)}
        found = [(one, earlier.get((one.suite, one.name))) for one in self.results]
        return [
            f"{_title(one)}: median {old.median:.3f} -> {one.median:.3f} ms ({one.median / old.median - 1:+.0%})"
            for one, old in found
            if old is not None and old.median
        ]


def load_results(path: Path) -> list[Benchmark]:
    """What `save_results` wrote. Raises `Invalid`."""
    try:
        return SAVED.decode(path.read_bytes()).results
    except (OSError, msgspec.DecodeError) as error:
        raise Invalid(f"{path} holds no results of `quadra bench --iterations N --output FILE`: {error}") from None


def summary(suite: str, name: str, taken: Sequence[float]) -> Benchmark:
    p50, p95, p99 = (float(value) for value in np.percentile(taken, (50, 95, 99)))
    figures = [
        statistics.fmean(taken),
        statistics.median(taken),
        min(taken),
        max(taken),
        statistics.stdev(taken) if len(taken) > 1 else 0.0,
        p50,
        p95,
        p99,
    ]
    return Benchmark(suite, name, len(taken), *(round(figure, 4) for figure in figures))


def _title(one: Benchmark) -> str:
    return f"{one.suite}: {one.name}" if one.suite else one.name
