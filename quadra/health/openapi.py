"""The doors for load balancers and supervisors, described."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quadra.core.openapi import Answer, Door, Group


class Alive(Struct):
    status: Literal["ok"]
    version: str


class Ready(Struct):
    status: Literal["ready", "unavailable"]
    checks: dict[str, Literal["pass", "fail"]]


GROUPS = (
    Group(
        title="Operations",
        says="For load balancers and supervisors; nobody needs to log in.",
        doors=(
            Door(
                method="GET",
                path="/health",
                title="Does this process live?",
                says="Asks nothing else, so a database that is away does not get the process killed.",
                answers={200: Answer(says="It does.", shape=Alive, example={"status": "ok", "version": "0.1.0"})},
            ),
            Door(
                method="GET",
                path="/health/ready",
                title="Can it do its work now?",
                answers={
                    200: Answer(
                        says="It can.", shape=Ready, example={"status": "ready", "checks": {"database": "pass"}}
                    ),
                    503: Answer(
                        says="It cannot: send requests elsewhere.",
                        shape=Ready,
                        example={"status": "unavailable", "checks": {"database": "fail"}},
                    ),
                },
            ),
        ),
    ),
)
