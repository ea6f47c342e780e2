"""What scale.py found, as it is kept in docs/benchmarks/scale.json."""

from __future__ import annotations

from typing import Any

import msgspec

DAYS = 365
"""Over which the history is spread."""


class Question(msgspec.Struct, frozen=True):
    """Of one range: processor milliseconds of the first asking, and of one of the same again."""

    title: str
    first_cpu_ms: float
    again_cpu_ms: float


class Cost(msgspec.Struct, frozen=True):
    """Processor microseconds of an event."""

    us: float
    web_us: float
    """of it the web process"""
    events_per_second: int


class Size(msgspec.Struct):
    """What was measured beside so many events."""

    events: int
    measured_at: str
    load: float
    history_seconds: float
    single_us: float
    """processor time of an event, web process and worker, until it is analysed and compacted"""
    single_web_us: float
    array_us: float
    array_web_us: float
    questions: list[Question]
    backup_seconds: float
    backup_cpu_seconds: float
    recover_seconds: float
    recover_cpu_seconds: float
    web_mb: float
    worker_mb: float
    disk_mb: float


class Replicas(msgspec.Struct):
    """Single events to so many web processes at once, over one PostgreSQL."""

    replicas: int
    load: float
    events_per_second: int
    single_us: float
    single_web_us: float


class Scale(msgspec.Struct):
    machine: dict[str, Any]
    days: int = DAYS
    sizes: list[Size] = []
    replicas: list[Replicas] = []


def describe(size: Size) -> str:
    asked = "; ".join(
        f"{one.title} {one.first_cpu_ms:,.0f}, again {one.again_cpu_ms:,.0f} ms" for one in size.questions
    )
    return (
        f"{size.events:,} events: {size.single_us} µs singly, {size.array_us} in arrays; {asked}; backup "
        f"{size.backup_seconds} s, recovery {size.recover_seconds} s; web {size.web_mb} MB, worker "
        f"{size.worker_mb} MB; disk {size.disk_mb:,.0f} MB"
    )
