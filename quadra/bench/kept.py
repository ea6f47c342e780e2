"""What the files of docs/benchmarks hold: one for each measurement of `quadra bench`, of which any may be missing."""

from __future__ import annotations

from typing import Any

import msgspec

from quadra.bench.lenses import Lenses
from quadra.bench.rest import Rest
from quadra.bench.scaled import Scale
from quadra.bench.soak import Soak


class Ingested(msgspec.Struct):
    """One shape of sending, beside its limit."""

    name: str
    goal: str
    against: str
    ratio: float | None
    limit_per_second: list[int]
    events_per_second: int
    p50_ms: float
    p99_ms: float
    cpu_us_per_event: float
    memory_mb: int

    @property
    def limit(self) -> int | None:
        """The middle one."""
        return sorted(self.limit_per_second)[len(self.limit_per_second) // 2] if self.limit_per_second else None


class Ingest(msgspec.Struct):
    machine: dict[str, Any]
    rounds: int
    seconds: float
    ingest: list[Ingested]


class Scored(msgspec.Struct):
    name: str
    per_second: int
    goal: int | None


class Field(msgspec.Struct):
    machine: dict[str, Any]
    field: list[Scored]


class Across(msgspec.Struct):
    name: str
    events: int
    p50_ms: float
    p99_ms: float


class AcrossReplicas(msgspec.Struct):
    machine: dict[str, Any]
    replicas: list[Across]


class Figures(msgspec.Struct):
    """By the names of the files."""

    ingest: Ingest | None = None
    lenses: Lenses | None = None
    scale: Scale | None = None
    soak_sqlite: Soak | None = None
    soak_postgresql: Soak | None = None
    rest: Rest | None = None
    replicas: AcrossReplicas | None = None
    field: Field | None = None

    @property
    def soaks(self) -> list[Soak]:
        return [soak for soak in (self.soak_sqlite, self.soak_postgresql) if soak is not None]
