"""A batch in a few kilobytes of numbers, kept with its insight so that later batches are compared without reading it again.

Everything here is counts and summaries under names; no user ids, no messages beyond an error's own name. Lists keep their
largest entries; `cut` says which lists had more, so that "never seen before" is only said where that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from quadra.core.typed import Typed

VERSION = 1
V = TypeVar("V")


class Place(msgspec.Struct, array_like=True):
    """An endpoint, or the path of a page."""

    events: int = 0
    failed: int = 0
    timed: int = 0
    """How many of them say how long they took."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0


class Score(msgspec.Struct, array_like=True):
    """The answers to one type of survey."""

    answers: int = 0
    mean: float = 0.0
    variance: float = 0.0
    headline: float = 0.0
    """NPS (-100 to 100), CSAT (share of 4 and 5) or CES (the mean)."""


class Model(msgspec.Struct, array_like=True):
    """The calls to one AI model."""

    calls: int = 0
    failed: int = 0
    tokens: int = 0
    mean_usd: float = 0.0
    variance: float = 0.0


class Stage(msgspec.Struct, array_like=True):
    """A stage of a recorded funnel."""

    order: int = 0
    people: int = 0


class Digest(msgspec.Struct, omit_defaults=True):
    version: int = VERSION
    events: int = 0
    """In the batch."""
    read: int = 0
    """Looked at: all, or an even sample of a large batch. All other counts are of these."""
    window_seconds: float | None = None
    """How long the batch took to fill; None where that cannot be told."""
    bots: int = 0
    identified: int = 0
    """Events that name a user or visitor."""
    people: int = 0
    busiest: int = 0
    """Events of the one with the most."""
    sessions: int = 0
    single_sessions: int = 0
    """Sessions with one event only."""
    failed: int = 0
    types: dict[str, int] = {}
    places: dict[str, Place] = {}
    errors: dict[str, int] = {}
    statuses: dict[str, int] = {}
    browsers: dict[str, tuple[int, int]] = {}
    """Browser -> (events, failed)."""
    funnels: dict[str, dict[str, Stage]] = {}
    surveys: dict[str, Score] = {}
    models: dict[str, Model] = {}
    cut: list[str] = []

    def known(self, listed: str, name: str) -> int | None:
        """How often `name` was in a list; None where the list had more entries than were kept."""
        found = getattr(self, listed).get(name)
        if found is None:
            return None if listed in self.cut else 0
        return found.events if isinstance(found, Place) else int(found)


_digests = Typed(Digest)


LIMITS = {
    "types": 60,
    "places": 30,
    "errors": 20,
    "statuses": 20,
    "browsers": 12,
    "funnels": 5,
    "surveys": 5,
    "models": 8,
}


def largest(name: str, entries: Mapping[str, V], size: Counter[str], cut: list[str]) -> dict[str, V]:
    """The largest entries of a list, in an order that does not depend on the order of the events."""
    limit = LIMITS[name]
    if len(entries) > limit:
        cut.append(name)
    return {key: entries[key] for key in sorted(entries, key=lambda key: (-size[key], key))[:limit]}


def load(stored: Any) -> Digest | None:
    """A stored digest; None for none, and for one that another version wrote."""
    if not isinstance(stored, dict) or stored.get("version", VERSION) != VERSION:
        return None
    try:
        return _digests.convert(stored)
    except msgspec.ValidationError:
        return None


def dump(digest: Digest) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(digest)
    return made | {"version": VERSION}
