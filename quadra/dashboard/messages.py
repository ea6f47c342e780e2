"""What the live namespace says and is told: each message as it is sent, and as the description shows it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class Join(Struct):
    """`cursor` is that of the last numbers you saw: what came since is told as `catch_up`. It is opaque, and every replica
    understands it."""

    project: str | UnsetType = UNSET
    cursor: str | UnsetType = UNSET


class Totals(Struct, rename="camel"):
    today: int
    yesterday_same_time: int
    yesterday: int


class TypeCount(Struct):
    name: str
    count: int
    before: int


class Numbers(Struct, rename="camel"):
    """Absolute numbers, never differences. Times are milliseconds since 1970."""

    at: int
    cursor: str
    events_per_second: float
    totals: Totals
    active_users: int
    active_users_before: int
    by_type: list[TypeCount]
    series: list[list[int]]


class Update(Numbers, rename="camel"):
    project: str


class ShownEvent(Struct, rename="camel"):
    """An event as the live page shows it."""

    event_id: str
    kind: str
    name: str
    event_type: str
    category: str | None
    user_id: str | None
    session_id: str | None
    occurred_at: int
    received_at: int
    page_url: str | None
    duration_ms: float | None
    value: float | None
    success: bool | None
    bot: bool
    fields: dict[str, Any] | None
    properties: dict[str, Any] | None


class ShownProject(Struct):
    slug: str
    name: str
    timezone: str


class Joined(Struct):
    ok: Literal[True]
    project: ShownProject
    snapshot: Numbers
    latest: list[ShownEvent]


class JoinProblem(Struct):
    error: dict[str, Any]


class Left(Struct):
    ok: Literal[True]


class Shown(Struct):
    project: str
    events: list[ShownEvent]


class CatchUp(Struct, rename={"from_": "from"}):
    project: str
    from_: int
    to: int
    missed: int
    events: list[ShownEvent]
