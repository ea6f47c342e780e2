"""The signals of one project, minute by minute: each judged by the minutes before it, then learned; and what is going on.

An anomaly begins with a minute that is surprising and outside of its band, goes on while minutes stay outside on the same
side, and is over after some that do not, or once it has lasted so long that it is the usual now.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from quadra.core.ids import uuid7
from quadra.field.expected import Expected
from quadra.field.signals import Signal

ANOMALOUS, EXTREME = 0.8, 0.95
"""From this score on a minute that is outside of its band begins an anomaly; one alone is told from the second on."""
PART = 0.1
"""Of what is usual, by which a minute must differ from it at least."""
CALM_MINUTES = 10
"""In a row, after which an anomaly is over."""
MOST_MINUTES = 6 * 60
"""What lasts longer is the usual now."""
NARROWEST = 1e-9


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """A minute of one signal, as it was before it was learned. Arrays: a row of the database holds many."""

    value: float | None
    low: float | None
    high: float | None
    score: float
    anomalous: bool = False
    """Whether it is part of an anomaly."""


class Going(msgspec.Struct):
    """An anomaly of a signal. Times are minutes since 1970."""

    id: str
    signal: str
    up: bool
    since: int
    last: int
    """The newest minute that was outside."""
    minutes: int
    worst: tuple[int, Reading]
    """By its distance from the band."""
    score: float
    """The highest."""
    ended: bool = False

    @property
    def is_told(self) -> bool:
        """A single minute happens by chance now and then."""
        return self.minutes > 1 or self.score >= EXTREME


@dataclass
class Signals:
    """What is remembered of a project's signals. `judge` teaches it a minute."""

    until: int
    """The next minute to judge."""
    known: dict[str, Expected] = field(default_factory=dict)

    def judge(self, values: Mapping[str, float]) -> dict[str, Reading]:
        """The minute `until`: signal -> how it was."""
        found = {}
        for name, value in values.items():
            if name not in self.known:
                self.known[name] = Expected()
            judged = self.known[name].judge(self.until, value)
            found[name] = Reading(value if math.isfinite(value) else None, judged.low, judged.high, judged.score)
        self.until += 1
        return found


def follow(
    going: dict[str, Going], signals: Sequence[Signal], minute: int, readings: dict[str, Reading]
) -> list[Going]:
    """Bring `going` up to date with a minute, and mark in `readings` what is part of an anomaly. What changed."""
    changed = []
    for signal in signals:
        reading, known = readings[signal.name], going.get(signal.name)
        side = _side(signal, reading)
        if known is not None and side == known.up and minute - known.since < MOST_MINUTES:
            known.last, known.minutes, known.score = minute, known.minutes + 1, max(known.score, reading.score)
            if _distance(reading) > _distance(known.worst[1]):
                known.worst = minute, reading
            changed.append(known)
        elif known is not None and (minute - known.last >= CALM_MINUTES or minute - known.since >= MOST_MINUTES):
            known.ended = True
            del going[signal.name]
            changed.append(known)
        elif known is None and side is not None and reading.score >= ANOMALOUS:
            known = Going(uuid7(), signal.name, side, minute, minute, 1, (minute, reading), reading.score)
            going[signal.name] = known
            changed.append(known)
        if known is not None and known.last == minute:
            readings[signal.name] = msgspec.structs.replace(reading, anomalous=True)
    for name in [name for name in going if name not in readings]:  # its goal was removed
        going[name].ended = True
        changed.append(going.pop(name))
    return changed


def _side(signal: Signal, reading: Reading) -> bool | None:
    """Whether a minute is above (True) or below (False) its band by enough to matter; None for one that is within."""
    value, low, high = reading.value, reading.low, reading.high
    if value is None or low is None or high is None:
        return None
    if low <= value <= high or abs(value - (low + high) / 2) < max(signal.least, PART * (low + high) / 2):
        return None
    return value > high


def _distance(reading: Reading) -> float:
    """From the band, in widths of it."""
    if reading.value is None or reading.low is None or reading.high is None:
        return 0.0
    beyond = max(reading.value - reading.high, reading.low - reading.value)
    return beyond / max(reading.high - reading.low, NARROWEST)


def pack(known: Expected) -> bytes:
    """The same state gives the same bytes."""
    out = io.BytesIO()
    np.savez_compressed(out, **known.state())  # type: ignore[arg-type]
    return out.getvalue()


def unpack(data: bytes) -> Expected:
    """Raises one of `artifact.DAMAGED` for bytes that no state was made into."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Expected.of({name: arrays[name] for name in arrays.files})
