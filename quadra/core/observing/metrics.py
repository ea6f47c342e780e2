"""Metrics for Prometheus. A room makes its own with these functions, in its `metrics.py`; labels never hold user input.

`counter` and `histogram` count in this process and, where `core.metrics_directory` says so, together with the others of
the same start. What lies in the database (`stored`) or can be looked at in this process (`live`) is no counter: it is
read when somebody scrapes. See docs/observability.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, values
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing import metrics_directory
from quadra.core.settings import Settings

PREFIX = "quadra_matrix"
REGISTRY = CollectorRegistry()
"""What was counted here."""

Stored = Callable[[Session, Settings], Iterable[GaugeMetricFamily]]
"""Reads gauges from the database, on a native thread. `quadra/gauges.py` lists them."""
Live = Callable[[], Iterable[GaugeMetricFamily]]
"""Reads gauges of this process, on a native thread: no waiting for others."""

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, for what should take milliseconds."""
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds, for what may take a while. 2 s is an edge: the alert on slow requests asks for it."""
SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4000)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each of ours, which nobody asks for
if metrics_directory.directory():
    _process = metrics_directory.process()
    values.ValueClass = values.MultiProcessValue(lambda: _process)  # type: ignore[no-untyped-call]


def counter(name: str, says: str, labels: Sequence[str] = ()) -> Counter:
    """Something that only grows. `name` without the prefix, with `_total`."""
    return Counter(name, says, labels, namespace=PREFIX, registry=REGISTRY)


def histogram(name: str, says: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SLOW) -> Histogram:
    return Histogram(name, says, labels, namespace=PREFIX, registry=REGISTRY, buckets=buckets)


def gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    """One number as of now, for `Stored` and `Live`."""
    return GaugeMetricFamily(f"{PREFIX}_{name}", says, value=value)


def maybe(name: str, says: str, value: float | None) -> GaugeMetricFamily:
    """The same for what may not be there to be measured: then it is declared, and has no number."""
    return gauges(name, says, (), {}) if value is None else gauge(name, says, value)


def gauges(name: str, says: str, labels: Sequence[str], numbers: Mapping[Any, float]) -> GaugeMetricFamily:
    """Numbers by the values of their labels: a string where there is one label, else a tuple."""
    family = GaugeMetricFamily(f"{PREFIX}_{name}", says, labels=labels)
    for key, number in numbers.items():
        family.add_metric([key] if isinstance(key, str) else list(key), number)
    return family


errors_total = counter(
    "errors_total", "Errors, by the kind of error and the room it happened in.", ("error_type", "component")
)
