"""How others ask the watcher for a deployment: a file in requests/, which the watcher takes away when it begins."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import msgspec
from msgspec import Struct

from quadra.core import clock
from quadra.core.durable import write_whole
from quadra.core.errors import Conflict, Unavailable
from quadra.core.ids import uuid7
from quadra.core.typed import Typed
from quadra.rollout.place import Place
from quadra.rollout.records import Deployment, deployments, load_state

TAKE_OVER_SECONDS = 15.0
"""For a watcher that stands by to take over, before who follows a deployment gives up."""


class Request(Struct):
    id: str
    release: str
    trigger: Literal["cli", "api", "heal"]
    environment: str = ""


REQUEST = Typed(Request)


def ask(
    place: Place, release: str, trigger: Literal["cli", "api"], *, environment: str = "", field: str = "NAME"
) -> str:
    """The id of the deployment that the watcher begins next. Raises `Invalid`, which calls the release `field`, `Unavailable`
    and `Conflict`."""
    place.require_release(release, field)
    if watcher(place) is None:
        raise Unavailable("No watcher runs, so nothing is deployed. Start one: quadra rollout watch")
    request = Request(id=uuid7(), release=release, trigger=trigger, environment=environment)
    with (place.requests / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two who ask at once one hears that the other was first
        running = load_state(place).deployment
        if running is not None or waiting(place):
            which = f" ({running.release})" if running else ""
            raise Conflict(f"A deployment is under way{which}. Follow it with `quadra rollout status`, then ask again.")
        write_whole(place.requests / f"{request.id}.json", msgspec.json.encode(request))
    return request.id


def waiting(place: Place) -> list[str]:
    """The ids of requests that no watcher took yet, oldest first."""
    return sorted(path.stem for path in place.requests.glob("*.json") if not path.name.startswith("."))


def take(place: Place) -> Deployment | None:
    """The oldest request as a deployment to do. Junk is taken away."""
    for name in waiting(place):
        path = place.requests / f"{name}.json"
        try:
            asked = REQUEST.decode(path.read_bytes())
        except msgspec.MsgspecError:
            asked = None
        path.unlink(missing_ok=True)
        if asked is not None:
            return Deployment(
                id=asked.id,
                release=asked.release,
                previous=None,
                trigger=asked.trigger,
                environment=asked.environment,
                started_at=clock.iso(clock.now()),
            )
    return None


def follow(place: Place, deployment_id: str) -> Deployment:
    """How the deployment ended. Raises `Unavailable` when there is no watcher any more that goes on with it."""
    alone_since: float | None = None
    while True:
        for one in deployments(place):
            if one.id == deployment_id and one.ended_at:
                return one
        if watcher(place) is not None:
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > TAKE_OVER_SECONDS:
            (place.requests / f"{deployment_id}.json").unlink(missing_ok=True)
            raise Unavailable("The watcher is gone; the next one settles what it began. Start it: quadra rollout watch")
        time.sleep(0.2)


def watcher(place: Place) -> int | None:
    """The pid of the watcher that holds the lock. None where nobody does."""
    with suppress(FileNotFoundError), place.lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = file.read().strip()
            return int(said) if said.isdigit() else 0
    return None


@contextmanager
def locked(place: Place, descriptor: int) -> Iterator[None]:
    """Our pid in the lock file that we hold."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    try:
        yield
    finally:
        os.ftruncate(descriptor, 0)
