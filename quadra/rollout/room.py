"""Releases in a web process: doors and figures. What is done, the watcher does (`watching.py`)."""

from __future__ import annotations

from flask import Flask

from quadra.core.api.openapi import Group, SocketEvent
from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime
from quadra.rollout import routes
from quadra.rollout.routes import doors
from quadra.rollout.telling import DeploymentUpdate, Releases

BLUEPRINTS = (routes.doors.blueprint,)

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


def set_up(_app: Flask, runtime: Runtime) -> None:
    releases = runtime.the(Releases)
    runtime.deployed = releases.status
    runtime.kept(Scrape).live.append(releases.figures)
