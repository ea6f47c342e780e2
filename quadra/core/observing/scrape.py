"""One scrape: everything this Quadra knows about itself as text, within a bound of time, whatever the database does.

The text is made on native threads. Gauges from the database are read by one thread that may hang: while it does, they are
absent (a number that nobody could read is not shown), `database_up` is 0 and an error is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from quadra.core.errors import Unavailable
from quadra.core.observing import metrics_directory
from quadra.core.observing.metrics import REGISTRY, Live, Stored, errors_total, gauge
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads, Waiter

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
READ_SECONDS = 2.0
"""How long the database may take; Prometheus gives a scrape ten seconds."""
TEXT_SECONDS = 5.0
CACHE_SECONDS = 5.0
"""Several Prometheus servers and a person who reloads cost the database one reading."""


class Scrape:
    """Of one process."""

    def __init__(self, runtime: Runtime, stored: Sequence[Stored]):
        self.live: list[Live] = []
        """Gauges of this process; rooms add theirs."""
        self._loop, self._database, self._settings = runtime.loop, runtime.database, runtime.settings
        self._stored = stored
        self._reading = Threads(runtime.loop, 1, "metrics-read")
        self._writing = Threads(runtime.loop, 1, "metrics-text")
        self._found: list[GaugeMetricFamily] = []
        self._found_at = self._began_at = float("-inf")
        self._done: Waiter | None = None
        """Set when the reading that is under way has ended; None while there is none."""

    def text(self, names: Sequence[str] = ()) -> bytes:
        """All metrics, or those that are named. Call on the loop; never blocks it."""
        found = self._from_database()
        try:
            return self._writing.run_within(TEXT_SECONDS, lambda: write([*found, *self._looked_at()], names))
        except TimeoutError as error:  # a disk that hangs, say
            raise Unavailable("The metrics could not be gathered in time.") from error

    def _looked_at(self) -> list[GaugeMetricFamily]:
        families: list[GaugeMetricFamily] = []
        for read in self.live:
            try:
                families.extend(read())
            except Exception as error:
                _failed(error)
        return families

    def _from_database(self) -> list[GaugeMetricFamily]:
        if self._done is None:
            if time.monotonic() - self._found_at < CACHE_SECONDS:
                return self._found
            self._done, self._began_at = self._loop.waiter(), time.monotonic()
            self._reading.submit(self._read, self._settle)
        # whoever scrapes meanwhile waits for the same reading; one that hangs costs later scrapes no time
        if self._done.wait(max(0.01, self._began_at + READ_SECONDS - time.monotonic())):
            return self._found
        errors_total.labels("TimeoutError", "metrics").inc()
        return [_up(0)]

    def _settle(self, found: list[GaugeMetricFamily] | None, _error: BaseException | None) -> None:
        done, self._done = self._done, None
        self._found, self._found_at = found or [_up(0)], time.monotonic()
        if done is not None:
            done.set()

    def _read(self) -> list[GaugeMetricFamily]:
        """On the reading thread. One reader that fails costs its own gauges and no others."""
        families: list[GaugeMetricFamily] = []
        try:
            self._database.ping()
            families.append(_up(1))
        except Exception as error:
            _failed(error)
            return [_up(0)]
        for read in self._stored:
            try:
                with self._database.read() as session:
                    families.extend(read(session, self._settings))
            except Exception as error:  # whatever is wrong with one reader, the others are shown
                _failed(error)
        return families


class _Declared(Collector):
    """What was counted, and by name what was not yet: a dashboard that asks for it is not wrong."""

    def __init__(self, counted: Collector):
        self._counted = counted

    def collect(self) -> Iterator[Any]:
        shown: set[str] = set()
        for family in self._counted.collect():
            shown.add(family.name)
            yield family
        for family in REGISTRY.collect():
            if family.name not in shown:
                family.samples = []
                yield family


class _Given(Collector):
    def __init__(self, families: Sequence[GaugeMetricFamily]):
        self._families = families

    def collect(self) -> Iterator[Any]:
        yield from self._families


def write(families: Sequence[GaugeMetricFamily], names: Sequence[str] = ()) -> bytes:
    """What was counted, then what was read. Blocks on files where processes share a directory."""
    counted: Any = REGISTRY
    if metrics_directory.directory():
        counted = CollectorRegistry(auto_describe=bool(names))  # only who knows its names can pick some
        counted.register(_Declared(MultiProcessCollector(None)))  # type: ignore[no-untyped-call]
    read: Any = CollectorRegistry(auto_describe=bool(names))
    read.register(_Given(families))
    for collector in (ProcessCollector, PlatformCollector):
        collector(registry=read)
    GCCollector(registry=read)
    if names:
        counted, read = counted.restricted_registry(names), read.restricted_registry(names)
    return generate_latest(counted) + generate_latest(read)


def _failed(error: Exception) -> None:
    errors_total.labels(type(error).__name__, "metrics").inc()
    logger.warning("metrics.gauges.not_read", extra={"reason": str(error)})


def _up(value: int) -> GaugeMetricFamily:
    return gauge("database_up", "Whether the database answered this scrape in time.", value)
