"""The live namespace, and the two doors to this description."""

from __future__ import annotations

from quadra.core.api import legacy_routes
from quadra.core.api.openapi import Answer, Door, Group, SocketEvent
from quadra.core.api.openapi_shapes import Reconnect
from quadra.dashboard.messages import CatchUp, Join, Joined, JoinProblem, Left, Shown, Update

PAGES = (
    *(f"accounts.login_pages.{name}" for name in ("show_page", "submit_page", "leave_page", "show_set_password")),
    *(f"accounts.openid_pages.{name}" for name in ("start", "callback")),
)
"""Endpoints outside of this room that are pages for people: they are no part of the API."""


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
