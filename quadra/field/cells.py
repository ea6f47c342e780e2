"""The field: a fixed number of cells, each the usual share of some features, learned batch by batch.

A batch is scored before it is learned. Everything is a function of the seed and of the batches in their order: the same
history gives the same bytes on every machine. Memory is bounded by the number of cells, whatever senders invent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quadra.field.features import FAMILIES, Counts

Vector: TypeAlias = "npt.NDArray[np.float64]"

LEAST_CELLS, MOST_CELLS = 10, 4096
SHARES = {"type": 0.2, "page": 0.4, "flow": 0.25, "gap": 0.05, "hour": 0.1}
"""Part of the cells that a family has to itself."""
SETTLING = 5
"""Batches before deviations are remembered: those from a field of one or two batches say nothing about later ones."""
WARM_UP = 15
"""Batches before which nothing is called novel."""
ANOMALOUS_Z = 3.5
MOVED = 5
"""Cells that an answer names."""
MOST_Z = 1000.0
ANOMALY_PART = 0.2
"""Of its weight, with which an anomalous batch is learned: it goes on being one for a while, and becomes usual if it stays."""
FAR, EARLY_WEIGHT = 3.0, 0.2
LEAST_SPREAD = 0.05
"""Of a history that never varied: a novelty is reckoned against at least this."""


@dataclass(slots=True)
class Running:
    """Mean and variance of what came lately."""

    mean: float = 0.0
    variance: float = 0.0

    def z(self, value: float) -> float:
        spread = max(math.sqrt(self.variance), LEAST_SPREAD)
        return max(-MOST_Z, min(MOST_Z, (value - self.mean) / spread))

    def learn(self, value: float, weight: float) -> None:
        """What lies far off counts as less far: one anomaly must not hide the next."""
        off = value - self.mean
        if weight < EARLY_WEIGHT:
            far = FAR * max(math.sqrt(self.variance), LEAST_SPREAD)
            off = max(-far, min(far, off))
        self.mean += weight * off
        self.variance = (1 - weight) * (self.variance + weight * off * off)


@dataclass(frozen=True, slots=True)
class Moved:
    """A cell whose share is another than usual."""

    cell: int
    family: str
    label: str
    share: float
    usual: float
    z: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How a batch compares with the field, before it was learned."""

    loss: float
    """Divergence in bits, 0 the same … 1 nothing in common."""
    reward: float
    variance: float
    novelty_z: float
    anomalous: bool
    moved: Sequence[Moved]
    parts: Mapping[str, float]
    """Family -> log of its deviation; empty for the first batch."""


@dataclass(frozen=True, slots=True)
class Came:
    """A batch as shares of cells; each family that occurred adds up to 1."""

    shares: Vector
    events: Mapping[str, int]
    """Family -> how many of its features were counted."""
    labels: Mapping[int, str]
    """Cell -> the label it was met by most."""


@dataclass
class Field:
    """The state. `score` changes nothing, `learn` takes a batch in."""

    cells: int
    seed: int
    decay: float
    mean: Vector = field(init=False)
    variance: Vector = field(init=False)
    iterations: int = 0
    events: int = 0
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0))
    """Family -> batches that had features of it."""
    history: dict[str, Running] = field(default_factory=lambda: {name: Running() for name in (*FAMILIES, "novelty")})
    labels: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not LEAST_CELLS <= self.cells <= MOST_CELLS:
            raise ValueError(f"cells must be {LEAST_CELLS} to {MOST_CELLS}")
        self.mean, self.variance = np.zeros(self.cells), np.zeros(self.cells)
        self.slices = slices(self.cells)

    def place(self, family: str, label: str) -> int:
        """The cell of a feature."""
        part = self.slices[family]
        first: int = part.start
        size: int = part.stop - part.start
        return first + _hash(f"{self.seed}|{family}|{label}") % size

    def came(self, counts: Counts) -> Came:
        shares = np.zeros(self.cells)
        events: dict[str, int] = {}
        heaviest: dict[int, tuple[int, str]] = {}
        for family, counted in counts.items():
            total = sum(counted.values())
            if not total:
                continue
            events[family] = total
            for label, times in counted.items():
                cell = self.place(family, label)
                shares[cell] += times / total
                if times > heaviest.get(cell, (0, ""))[0]:
                    heaviest[cell] = times, label
        return Came(shares, events, {cell: label for cell, (_, label) in heaviest.items()})

    @property
    def instability(self) -> float:
        """Mean of the cells in use, 0 always the same share … 1 all or nothing."""
        used = self.mean > 0
        return float(np.mean(self.instability_of_cells[used])) if used.any() else 0.0

    @property
    def instability_of_cells(self) -> Vector:
        found: Vector = np.minimum(1.0, self.variance / (self.mean * np.maximum(1 - self.mean, 1e-9) + 1e-12))
        return found

    def score(self, came: Came) -> Reading:
        loss, weights = 0.0, 0.0
        parts: dict[str, float] = {}
        for family, weight in FAMILIES.items():
            if family not in came.events or not self.seen[family]:
                continue
            part = self.slices[family]
            here, usual, spread = came.shares[part], self.mean[part], self.variance[part]
            loss += weight * divergence(here, usual)
            weights += weight
            # A share varies by what it did before, and by chance in a batch of this size.
            chance = usual / came.events[family] / 2 + 0.1 / came.events[family] ** 2
            parts[family] = math.log(float(np.sum((here - usual) ** 2 / (spread + chance))) + 1e-6)
        loss = min(1.0, max(0.0, loss / weights)) if weights else 0.0
        z = self._novelty(parts) if self.iterations >= WARM_UP else 0.0
        return Reading(
            loss=loss,
            reward=1 / (1 + loss),
            variance=self.instability,
            novelty_z=z,
            anomalous=z >= ANOMALOUS_Z,
            moved=self._moved(came),
            parts=parts,
        )

    def learn(self, came: Came, reading: Reading) -> None:
        """Take a batch in that `reading` was made of by this state."""
        for family in came.events:
            part = self.slices[family]
            self.seen[family] += 1
            weight = max(1 / self.seen[family], 1 - self.decay) * (ANOMALY_PART if reading.anomalous else 1.0)
            off = came.shares[part] - self.mean[part]
            self.mean[part] += weight * off
            self.variance[part] = (1 - weight) * (self.variance[part] + weight * off * off)
        self.iterations += 1
        self.events += came.events.get("type", 0)
        known = self.iterations - SETTLING
        if known > SETTLING and reading.parts:  # what is usual for a family comes before what is usual for all of them
            self.history["novelty"].learn(self._combined(reading.parts), max(1 / (known - SETTLING), 1 - self.decay))
        for family, value in reading.parts.items():
            if known > 0:
                self.history[family].learn(value, max(1 / known, 1 - self.decay))
        for cell, label in came.labels.items():
            self.labels.setdefault(cell, label)

    def _combined(self, parts: Mapping[str, float]) -> float:
        z = {family: max(-10.0, min(10.0, self.history[family].z(value))) for family, value in parts.items()}
        return sum(FAMILIES[family] * value for family, value in z.items()) / sum(FAMILIES[family] for family in z)

    def _novelty(self, parts: Mapping[str, float]) -> float:
        return self.history["novelty"].z(self._combined(parts)) if parts else 0.0

    def _moved(self, came: Came) -> list[Moved]:
        """The cells that moved most, by how much of the batch that is."""
        moved = []
        for family in came.events:
            if not self.seen[family] or family == "hour":  # a batch covers one hour or two: their cells always move
                continue
            part = self.slices[family]
            off = np.abs(came.shares[part] - self.mean[part]) * FAMILIES[family]
            for place in np.argsort(-off, kind="stable")[:MOVED]:
                if off[place] > 0:
                    moved.append((float(off[place]), family, part.start + int(place)))
        moved.sort(key=lambda one: (-one[0], one[2]))
        return [self._one_moved(came, family, cell) for _, family, cell in moved[:MOVED]]

    def _one_moved(self, came: Came, family: str, cell: int) -> Moved:
        share, usual = float(came.shares[cell]), float(self.mean[cell])
        spread = math.sqrt(float(self.variance[cell]) + max(usual, share) / came.events[family])
        label = came.labels.get(cell) or self.labels.get(cell, f"cell {cell}")
        return Moved(cell, family, label, share, usual, (share - usual) / max(spread, 1e-9))


def divergence(one: Vector, other: Vector) -> float:
    """Jensen-Shannon, in bits: 0 the same … 1 nothing in common. Both add up to 1."""
    middle = (one + other) / 2
    return (_relative(one, middle) + _relative(other, middle)) / 2


def _relative(one: Vector, middle: Vector) -> float:
    there = one > 0
    return float(np.sum(one[there] * np.log2(one[there] / middle[there])))


@lru_cache(maxsize=8 * MOST_CELLS)
def _hash(key: str) -> int:
    """The same on every machine. Kept across batches, whose fields are unpacked anew each time."""
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def slices(cells: int) -> dict[str, slice]:
    """Which cells a family has. Each has one at least."""
    sizes = {family: max(1, int(cells * share)) for family, share in SHARES.items()}
    sizes["page"] += cells - sum(sizes.values())
    parts, start = {}, 0
    for family, size in sizes.items():
        parts[family] = slice(start, start + size)
        start += size
    return parts
