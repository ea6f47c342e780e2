"""A deployment where a platform keeps the processes: the same gates and the same journal as where the watcher does."""

from __future__ import annotations

import fcntl
import time
from contextlib import AbstractContextManager

import httpx2

from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.ids import uuid7
from quadra.core.settings import Settings
from quadra.rollout.deploying import Tell, timed
from quadra.rollout.gates import PROBE_SECONDS, Refused, ask_many, judge
from quadra.rollout.place import Place
from quadra.rollout.platforms import Platform
from quadra.rollout.records import Deployment, Status, note

READY_SECONDS = 120.0


def deploy(place: Place, platform: Platform, release: str, address: str, settings: Settings, tell: Tell) -> Deployment:
    """`address` is where users ask. Raises `Conflict` while another one is under way."""
    place.make()
    with (place.root / "elsewhere.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("A deployment is under way. Ask again when it has ended.") from None
        deployment = Deployment(
            id=uuid7(), release=release, previous=None, trigger="cli", started_at=clock.iso(clock.now())
        )
        note(place, deployment=deployment)
        try:
            _bring(platform, deployment, address, settings, tell)
            deployment.status = "completed"
        except Refused as refused:
            deployment.reason, deployment.failure_kind = str(refused), refused.kind
            deployment.figures |= refused.figures
            deployment.status = _take_back(platform, deployment)
        deployment.ended_at = clock.iso(clock.now())
        note(place, deployment=deployment)
    return deployment


def _bring(platform: Platform, deployment: Deployment, address: str, settings: Settings, tell: Tell) -> None:
    def step(name: str) -> AbstractContextManager[None]:
        tell(f"{deployment.release}: {name}")
        return timed(deployment, name)

    with step("check"):
        deployment.previous = platform.current()
        before_ms = _p95(address, settings)
    with step("migrate"):
        platform.migrate(deployment.release)
    with step("start"):
        own = platform.put(deployment.release)
    with step("gate"):
        _wait(own or address, settings)
        found = ask_many(own or address, settings, settings.supervisor_gate_requests)
        judge(found, before_ms)
        deployment.figures |= found.as_dict()
    with step("switch"):
        platform.switch(deployment.release)
    with step("verify"):
        _wait(address, settings)


def _take_back(platform: Platform, deployment: Deployment) -> Status:
    """Where users may have reached it, the release before gets them back."""
    steps = [one.name for one in deployment.steps]
    reached = "switch" in steps or ("start" in steps and not platform.beside)
    if not reached or deployment.previous is None:
        return "failed"
    try:
        with timed(deployment, "back"):
            platform.back(deployment.previous)
    except Refused as refused:
        deployment.reason += f" It could not be taken back: {refused}"
        return "failed"
    return "rolled_back"


def _ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health/ready", timeout=PROBE_SECONDS).status_code == 200
    except httpx2.HTTPError:
        return False


def _wait(address: str, settings: Settings) -> None:
    good, until = 0, time.monotonic() + READY_SECONDS
    while good < settings.supervisor_successes:
        good = good + 1 if _ready(address) else 0
        if time.monotonic() > until:
            raise Refused("health", f"{address}/health/ready did not answer well within {READY_SECONDS:g} s.")
        time.sleep(0.2)


def _p95(address: str, settings: Settings) -> float | None:
    """Of what serves now; None where that serves nobody, or badly."""
    if not _ready(address):
        return None
    found = ask_many(address, settings, settings.supervisor_gate_requests)
    return found.p95_ms if found.errors == 0 else None
