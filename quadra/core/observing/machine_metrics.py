"""The machine under this process: memory, processor, disk, and whether Redis carries messages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client.core import GaugeMetricFamily

from quadra.core.observing.metrics import Live, gauge, maybe
from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime


def set_up(runtime: Runtime) -> None:
    runtime.kept(Scrape).live += (machine(runtime), bus(runtime))


def machine(runtime: Runtime) -> Live:
    """Gauges that need no waiting: the kernel's own figures."""

    def read() -> Iterator[GaugeMetricFamily]:
        memory = psutil.virtual_memory()
        yield gauge("system_memory_used_ratio", "Of this machine's memory.", 1 - memory.available / memory.total)
        yield gauge(
            "system_cpu_used_ratio", "Of this machine's processors, since the last look.", psutil.cpu_percent() / 100
        )
        disk = shutil.disk_usage(_existing(runtime.settings.data_dir))
        yield gauge("disk_free_ratio", "Of the disk that holds QUADRA_DATA_DIR.", disk.free / disk.total)
        yield gauge("disk_free_bytes", "On the disk that holds QUADRA_DATA_DIR.", disk.free)

    return read


def _existing(directory: Path) -> Path:
    """It is made when something is first kept in it; until then the disk is that of its parent."""
    return directory if directory.exists() else next(parent for parent in directory.parents if parent.exists())


def bus(runtime: Runtime) -> Live:
    """Numbers only where Redis is set: a dependency that nobody configured is not down."""

    def read() -> Iterator[GaugeMetricFamily]:
        there = runtime.bus.configured
        yield maybe("redis_up", "Whether messages to Redis come back.", int(runtime.bus.alive) if there else None)
        says = "How long ago a message of our own came back through Redis."
        yield maybe("redis_subscription_age_seconds", says, runtime.bus.age_seconds if there else None)
        if not there:
            return
        yield gauge(
            "redis_messages_dropped", "Messages to other processes that found the outbox full.", runtime.bus.dropped
        )

    return read
