"""What checks may look at: this process, and the machine under it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import psutil
from msgspec import Struct

from quadra.core.runtime import Runtime

SAMPLE_SECONDS = 5.0
WINDOW_SAMPLES = 60
"""Of five minutes: a machine that is busy for a moment is not ill."""
GLANCE_SECONDS = 0.3


class Machine:
    """How busy the machine is, measured all the time: a single look says only how busy it is with being looked at."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=WINDOW_SAMPLES)
        self._stop = threading.Event()
        self._take()

    def start(self) -> None:
        threading.Thread(target=self._measure, name="health-machine", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def cpu(self) -> tuple[float, float]:
        """(percent, seconds that were measured). Blocks for a moment where there is nothing yet to compare with."""
        first = self._samples[0]
        if time.monotonic() - first[0] < GLANCE_SECONDS:
            time.sleep(GLANCE_SECONDS)
        at, busy, total = _times()
        passed = total - first[2]
        return round(100 * (busy - first[1]) / passed, 1) if passed > 0 else 0.0, round(at - first[0], 1)

    def _measure(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._take()

    def _take(self) -> None:
        self._samples.append(_times())


def _times() -> tuple[float, float, float]:
    """(when, seconds that processors were busy, seconds of processors altogether)"""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # these stand in user and nice already
    total = sum(times) - guest
    return time.monotonic(), total - idle, total


def memory_percent() -> float:
    return float(psutil.virtual_memory().percent)


def disk_percent(path: Path) -> float:
    """Of the disk that `path` lies on, or will lie on."""
    while not path.exists():
        path = path.parent
    return float(psutil.disk_usage(str(path)).percent)


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest heartbeat of a process, as a look saw it."""

    at: datetime
    """By the clock of that process."""
    looked_at: datetime
    moved_at: datetime
    """When it was seen to have moved; both by our clock."""
    apart: timedelta
    """By how much that clock is known to be ahead (+) or behind (-), at least."""


class System(Struct, kw_only=True):
    cpu_percent: float
    memory_percent: float
    disk_percent: float


@dataclass
class CheckContext:
    """This process as checks see it."""

    runtime: Runtime
    role: Literal["web", "worker", "command"]
    machine: Machine = field(default_factory=Machine)
    began: float = field(default_factory=time.monotonic)
    beats: dict[str, Beat] = field(default_factory=dict)
    """Of the other processes: what the check of the clocks compares with at its next look."""

    @property
    def uptime_seconds(self) -> float:
        return round(time.monotonic() - self.began, 1)

    def system(self) -> System:
        return System(
            cpu_percent=self.machine.cpu()[0],
            memory_percent=memory_percent(),
            disk_percent=disk_percent(self.runtime.settings.data_dir),
        )
