"""The live namespace, and the two doors to this description."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from quadra.core.api import legacy_routes
from quadra.core.api.openapi import Answer, Door, Group, SocketEvent
from quadra.core.api.openapi_shapes import Reconnect

PAGES = (
    *(f"accounts.login_pages.{name}" for name in ("show_page", "submit_page", "leave_page", "show_set_password")),
    *(f"accounts.openid_pages.{name}" for name in ("start", "callback")),
)
"""Endpoints outside of this room that are pages for people: they are no part of the API."""


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


LIVE = Group(
    title="Watch live",
    says=(
        'Socket.IO, namespace `/live`, with a session or `auth: {key: "qk_…"}` of a read or admin key. What you are '
        "sent is at most ten times a second."
    ),
    sockets=(
        SocketEvent(
            namespace="/live",
            name="admin:join",
            says="Watch a project.",
            payload=Join,
            answer={"anyOf": [Joined, JoinProblem]},
            example={"project": "default"},
        ),
        SocketEvent(
            namespace="/live",
            name="admin:leave",
            says="Watch it no longer.",
            payload=Join,
            answer=Left,
            example={"project": "default"},
        ),
        SocketEvent(
            namespace="/live",
            name="metrics_update",
            to_server=False,
            says="The numbers of a project have changed.",
            payload=Update,
        ),
        SocketEvent(
            namespace="/live",
            name="admin:event",
            to_server=False,
            says="Some of the events that came just now.",
            payload=Shown,
        ),
        SocketEvent(
            namespace="/live",
            name="catch_up",
            to_server=False,
            says="How many events came since your cursor, or while this replica could not hear the others, and the newest "
            "of them; you may have some of these already.",
            payload=CatchUp,
        ),
        SocketEvent(
            namespace="/live",
            name="server:reconnect",
            to_server=False,
            says="This replica ends and closes the connection: come back within that time.",
            payload=Reconnect,
            example={"reason": "restart", "within_ms": 1000},
        ),
    ),
)

DESCRIPTION = Group(
    title="This description",
    doors=(
        Door(
            method="GET",
            path="/api/openapi.json",
            title="The API as OpenAPI 3.1",
            says="For generators of clients. The events of Socket.IO are under `x-socketio`.",
            answers={200: Answer(says="The document.", shape={"type": "object"})},
        ),
        Door(
            method="GET",
            path="/api/docs",
            title="The API as a page",
            also=legacy_routes.ALSO["/api/docs"],
            answers={200: Answer(says="The page.", media="text/html", shape=str)},
        ),
    ),
)
