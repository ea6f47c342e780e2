"""What a web process tells of releases: from the files of the watcher, which the watcher alone writes. Read again only where they
have changed, since `/status` and every scrape ask.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily

from quadra import __version__
from quadra.core.observing.metrics import gauges
from quadra.core.runtime import Deployed, Runtime
from quadra.rollout.faults import Action
from quadra.rollout.place import Place, place_of
from quadra.rollout.records import Act, Deployment, State, Status, load_state, read_journal

FAILED = ("failed", "rolled_back")
OUTCOMES = ("succeeded", "failed", "given_up", "dry_run")


class DeploymentUpdate(Struct, rename="camel"):
    release: str | None
    status: str
    total: int
    failed: int
    recovery_attempts: int


class Told(Struct):
    state: State
    deployments: list[Deployment]
    acts: list[Act]


class Releases:
    """`runtime.the(Releases)`. Safe from any thread."""

    def __init__(self, runtime: Runtime):
        self.place: Place = place_of(runtime.settings, None)
        self._lock = threading.Lock()
        self._seen: object = ()
        self._told = Told(State(), [], [])

    def version(self) -> object:
        """Another one where something has changed."""
        return tuple(_stamp(path) for path in (self.place.state, self.place.journal))

    def told(self) -> Told:
        with self._lock:
            version = self.version()
            if version != self._seen:
                self._told, self._seen = Told(load_state(self.place), *read_journal(self.place)), version
            return self._told

    def status(self) -> Deployed:
        """For `/status`."""
        told = self.told()
        ended = Counter(str(one.status) for one in told.deployments)
        running = told.state.deployment is not None
        return Deployed(
            current=told.state.release or __version__,
            status="deploying" if running else "managed" if self.place.plan.exists() else "not_managed",
            recovery_attempts=len(told.acts),
            total=len(told.deployments),
            successful=ended["completed"],
            failed=sum(ended[status] for status in FAILED),
        )

    def figures(self) -> Iterator[GaugeMetricFamily]:
        told = self.told()
        # with zeros, so that the first one shows as a rise
        acts = Counter({(action, outcome): 0 for action in get_args(Action) for outcome in OUTCOMES})
        acts.update((str(one.action), one.outcome) for one in told.acts)
        says = "What the watcher of a rollout did by itself."
        yield gauges("recovery_actions_total", says, ("action", "outcome"), acts)
        ended = Counter({str(status): 0 for status in get_args(Status)})
        ended.update(str(one.status) for one in told.deployments)
        yield gauges("deployments_total", "Deployments, by how they ended.", ("status",), ended)
        given_up = sum(one.state == "given_up" for one in told.state.processes) + int(told.state.care.given_up)
        says = "Processes and releases that the watcher has given up."
        yield gauges("recovery_given_up", says, (), {(): float(given_up)})


def _stamp(path: Any) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
