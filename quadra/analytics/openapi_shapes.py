"""The shapes of the answers of the lenses, for their description."""

from __future__ import annotations

from msgspec import Struct

from quadra.core.openapi import Time


class Told(Struct):
    """What every answer carries."""

    computed_at: Time
    rows_read: int
    elapsed_ms: float


class Point(Struct):
    at: Time
    value: float


class Series(Struct):
    label: str
    points: list[Point]


class Trends(Told, kw_only=True):
    series: list[Series]


class Cohort(Struct):
    at: Time
    size: int
    returned: list[int]


class Retention(Told, kw_only=True):
    cohorts: list[Cohort]


class Stickiness(Told, kw_only=True):
    buckets: list[int]


class LifecyclePeriod(Struct):
    at: Time
    new: int
    returning: int
    resurrecting: int
    dormant: int


class Lifecycle(Told, kw_only=True):
    periods: list[LifecyclePeriod]
