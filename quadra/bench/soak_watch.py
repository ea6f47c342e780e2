"""Looks at a Quadra under load from outside: memory, processor time, how late its loop is, how long jobs wait."""

from __future__ import annotations

import re
import time
import urllib.request

import msgspec
import psutil

from quadra.bench.processes import Process, Used

HEALTH_SECONDS = 5.0
PATIENCE_SECONDS = 10
LAG = re.compile(r"^quadra_matrix_event_loop_lag_seconds_(sum|count)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
WAITS = re.compile(r"^quadra_matrix_jobs_oldest_pending_age_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Look(msgspec.Struct):
    """At one moment; shares of a core since the look before."""

    at: float
    """seconds since the senders started"""
    phase: str
    web_mb: float
    worker_mb: float
    web_cores: float
    worker_cores: float
    senders_cores: float
    loop_late_ms: float | None = None
    """how late a timer of the web process was, mean since the look before"""
    jobs_wait_seconds: float | None = None


class Health(msgspec.Struct):
    """What `/health` answered meanwhile."""

    asked: int = 0
    failed: int = 0
    most_ms: float = 0.0


class Watch:
    """Of one server and those who send to it. Not threadsafe."""

    def __init__(self, server: Process, senders: int, *, every: float):
        self._server = server
        self._senders = psutil.Process(senders)
        self._every = every
        self._began = self._looked = self._asked = time.monotonic()
        self._used = self._uses()
        self._late = (0.0, 0.0)

    def look(self, looks: list[Look], health: Health, phase: str) -> None:
        """Whatever is due. To be called more often than anything is."""
        now = time.monotonic()
        if now - self._asked >= HEALTH_SECONDS:
            self._asked = now
            self._ask(health)
        if now - self._looked < self._every:
            return
        used, seconds = self._uses(), now - self._looked
        web, worker, senders = (
            round(max(0.0, after.cpu_seconds - before.cpu_seconds) / seconds, 3)
            for before, after in zip(self._used, used, strict=True)
        )
        metrics = _get(f"{self._server.url}/metrics") or ""
        memory = (round(used[0].memory_mb, 1), round(used[1].memory_mb, 1))
        waits = [float(age) for age in WAITS.findall(metrics)]
        looks.append(
            Look(
                round(now - self._began, 1),
                phase,
                *memory,
                web,
                worker,
                senders,
                self._lag(metrics),
                max(waits, default=None),
            )
        )
        self._looked, self._used = now, used

    def _lag(self, metrics: str) -> float | None:
        found = {name: float(value) for name, value in LAG.findall(metrics)}
        if not found:
            return None
        late, times = found["sum"], found["count"]
        before, self._late = self._late, (late, times)
        return round((late - before[0]) / max(times - before[1], 1) * 1000, 2)

    def _uses(self) -> tuple[Used, Used, Used]:
        try:
            times = self._senders.cpu_times()
            senders = Used(0.0, times.user + times.system)
        except psutil.NoSuchProcess:
            senders = Used()
        return self._server.web(), self._server.worker(), senders

    def _ask(self, health: Health) -> None:
        began = time.monotonic()
        answer = _get(f"{self._server.url}/health")
        health.asked += 1
        health.failed += answer is None
        health.most_ms = max(health.most_ms, round((time.monotonic() - began) * 1000, 1))


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return str(response.read().decode())
    except OSError:
        return None
