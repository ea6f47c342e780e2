"""The HTTP doors of releases, for admins of the installation. What is asked for, the watcher does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Struct

from quadra.accounts.access import require
from quadra.accounts.noting import note
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says
from quadra.core.typed import Typed
from quadra.core.web.http import runtime
from quadra.rollout import requests
from quadra.rollout.faults import Action
from quadra.rollout.records import Status, Step
from quadra.rollout.telling import Releases

MOST = 200
"""Deployments, and acts, in one answer; `quadra rollout history` has all of them."""
LONGEST = 100


class Wanted(Struct, kw_only=True):
    image_tag: Annotated[
        str, says("The name of a release of the rollout's directory, never a path.", example="2026-11-30")
    ]
    environment: Annotated[str, says("Kept and shown.", example="production")] = ""


class DeploymentAsked(Struct, kw_only=True):
    deployment_id: str
    status: Literal["running"]


class ShownDeployment(Struct, kw_only=True):
    id: str
    release: str
    previous: str | None
    environment: str
    status: Status
    trigger: Literal["cli", "api", "heal"]
    started_at: Time
    ended_at: Time | None
    reason: str
    failure_kind: str | None
    figures: dict[str, Any]
    steps: list[Step]


class ShownAct(Struct, kw_only=True):
    id: str
    at: Time
    action: Action
    target: str
    release: str
    outcome: str
    reason: str
    figures: dict[str, Any]
    attempt: int
    watcher_pid: int


class History(Struct, kw_only=True):
    release: str | None
    watcher_pid: int | None
    releases: list[str]
    """That can be deployed, the newest first."""
    deployments: list[ShownDeployment]
    acts: list[ShownAct]


doors = Doors("rollout", __name__)
WANTED = Params(Wanted)
_deployments = Typed(list[ShownDeployment])
_acts = Typed(list[ShownAct])


def _admin() -> object:
    return require("admin")


@doors(
    "POST",
    "/api/deployment/trigger",
    title="Deploy a release",
    says="The watcher of `quadra rollout` does it; the history says how it went. Audited.",
    needs="admin",
    first=_admin,
    asks=WANTED,
    answers=DeploymentAsked,
    answer_says="It was asked for.",
    status=202,
    refuses=(409, 503),
)
def trigger(asked: Wanted) -> DeploymentAsked:
    place = runtime().the(Releases).place
    made = requests.ask(place, asked.image_tag, "api", environment=asked.environment[:LONGEST], field="image_tag")
    with runtime().database.begin() as session:
        note(
            session,
            "rollout.deployment.requested",
            subject=asked.image_tag,
            details={"deployment_id": made, "environment": asked.environment[:LONGEST]},
        )
    return DeploymentAsked(deployment_id=made, status="running")


@doors(
    "GET",
    "/api/deployment/history",
    title="List deployments",
    says=f"The newest {MOST} deployments, and as many acts of the watcher, newest first.",
    needs="admin",
    first=_admin,
    answers=History,
)
def show_history() -> History:
    releases = runtime().the(Releases)
    told = releases.told()
    return History(
        release=told.state.release,
        watcher_pid=requests.watcher(releases.place),
        releases=releases.place.names()[:MOST],
        deployments=_deployments.convert(told.deployments[:MOST], from_attributes=True),
        acts=_acts.convert(told.acts[:MOST], from_attributes=True),
    )
