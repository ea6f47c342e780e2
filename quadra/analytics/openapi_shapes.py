"""The shapes of the answers of the lenses, for their description."""

from __future__ import annotations

from typing import Literal

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


class FunnelStep(Struct):
    name: str
    count: int
    conversion_rate: float
    step_conversion_rate: float
    average_seconds: float | None
    median_seconds: float | None


class FunnelAnswer(Told, kw_only=True):
    steps: list[FunnelStep]
    breakdown: dict[str, list[FunnelStep]] = {}


class AskedStep(Struct):
    event: str | float | bool | None = None
    where: dict[str, str | float | bool | list[str | float | bool | None] | None] | None = {}


class AskedExclusion(Struct, kw_only=True):
    event: str | float | bool
    from_step: int
    to_step: int
    where: dict[str, str | float | bool | list[str | float | bool | None] | None] | None = {}


class AskedFunnel(Struct, kw_only=True):
    """What every question takes (`from`, `to`, `timezone`, …) stands here too, or in the address.

    As in an address, numbers may be written as texts, names as numbers, and an empty text is left out.
    """

    steps: list[AskedStep]
    order: Literal["ordered", "strict", "unordered", ""] | None = "ordered"
    window_seconds: float | str | None = None
    exclusions: list[AskedExclusion] | None = []
    breakdown: str | float | bool | None = None
    breakdown_attribution: str | None = "first_touch"
    breakdown_limit: int | str | None = 25


class Edge(Struct):
    position: int
    source: str
    target: str
    count: int
    average_seconds: float


class Paths(Told, kw_only=True):
    edges: list[Edge]


class SessionMeasures(Struct, kw_only=True):
    count: int
    people: int
    bounces: int
    bounce_rate: float
    average_seconds: float
    median_seconds: float
    events_per_session: float


class SessionPeriod(SessionMeasures, kw_only=True):
    at: Time


class PageCount(Struct):
    page: str
    count: int


class Sessions(SessionMeasures, kw_only=True):
    entries: list[PageCount]
    exits: list[PageCount]
    periods: list[SessionPeriod]
    computed_at: Time
    rows_read: int
    elapsed_ms: float
