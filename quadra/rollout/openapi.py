"""The doors of releases, as one group of the description."""

from __future__ import annotations

from quadra.core.api.openapi import Group, SocketEvent
from quadra.rollout.routes import doors
from quadra.rollout.telling import DeploymentUpdate

GROUPS = (
    Group(
        title="Releases",
        says="Releases that a watcher brings into use and keeps running: docs/rollout.md.",
        doors=tuple(doors.described),
        sockets=(
            SocketEvent(
                namespace="/live",
                name="deployment:update",
                to_server=False,
                says="A deployment began or ended, or the watcher did something. For who sees the installation.",
                payload=DeploymentUpdate,
            ),
        ),
    ),
)
