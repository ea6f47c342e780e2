"""The watcher: the only process that acts. It holds a lock, does the deployments that it is asked for, and starts again what
ended or hangs, ever more slowly and not for ever. It asks over HTTP and remembers in files, so it works while the database is
away.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.settings import Settings
from quadra.rollout import deploying, processes, requests
from quadra.rollout.deploying import Tell
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused
from quadra.rollout.healing import Healer
from quadra.rollout.looking import Seen, hungry, look
from quadra.rollout.place import Place
from quadra.rollout.records import Kept, note

LOOK_SECONDS = 0.5
"""Between two looks for requests and for processes that ended."""
PAUSE_SECONDS = 5.0
"""After something that only the operating system or the balancer can put right."""


def watch(place: Place, settings: Settings, tell: Tell, *, dry_run: bool = False) -> None:
    """Until SIGTERM or SIGINT; what runs goes on running. With `dry_run` it heals nothing, and says what it does not do."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    place.read_plan()
    place.make()
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(place, descriptor, stop, tell):
            return
        with requests.locked(place, descriptor):
            fleet = Fleet(place, place.read_plan(), settings)
            Watcher(fleet, Healer(fleet, tell, dry_run=dry_run), tell).run(stop)
    finally:
        os.close(descriptor)


def _lock(place: Place, descriptor: int, stop: threading.Event, tell: Tell) -> bool:
    """Wait for the lock. False when told to stop meanwhile. The operating system frees it however its holder ends."""
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = requests.watcher(place)
            if not said and holder:
                tell(f"The watcher {holder} watches here. This one stands by and takes over when that one ends.")
                said = True
        else:
            return True
        if stop.wait(LOOK_SECONDS):
            return False


class Watcher:
    def __init__(self, fleet: Fleet, healer: Healer, tell: Tell):
        self._fleet = fleet
        self._healer = healer
        self._settings = fleet.settings
        self._tell = tell
        self._next_look = 0.0

    def run(self, stop: threading.Event) -> None:
        adopted = sum(processes.alive(kept) for kept in self._fleet.state.processes)
        self._tell(f"Watching {self._fleet.place.root} as {os.getpid()}, {adopted} processes adopted.")
        pause = 0.0
        while not stop.wait(pause):
            try:
                self.tick()
                pause = LOOK_SECONDS
            except (QuadraError, Refused, OSError) as error:  # a full disk, a balancer that does not answer
                self._tell(f"Postponed: {error}")
                pause = PAUSE_SECONDS
        self._tell("Stopped. What runs goes on running.")

    def tick(self) -> None:
        """Look once at everything, and act."""
        deploying.settle(self._fleet)
        if (deployment := requests.take(self._fleet.place)) is not None:
            try:
                self._fleet.place.require_release(deployment.release)
            except QuadraError as error:  # it was removed after it was asked for
                deployment.status, deployment.failure_kind = "failed", "build"
                deployment.reason, deployment.ended_at = error.message, clock.iso(clock.now())
                note(self._fleet.place, deployment=deployment)
            else:
                deploying.deploy(self._fleet, deployment, self._tell)
        self._fleet.route()  # after deployments, which say themselves that the balancer does not run
        for kept in list(self._fleet.state.processes):
            if kept.role == "balancer" or kept not in self._fleet.state.processes:  # a rollback has ended it meanwhile
                continue
            if not processes.alive(kept):
                figures = {"attempts": kept.attempts, "restarts": kept.restarts}
                self._healer.mend(kept, "ended", f"{kept.name} ended.", figures)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._settings.supervisor_check.total_seconds()
            self._look()

    def _look(self) -> None:
        """Look at each process, and act on a fault that was there FAILURES times in a row."""
        fleet, often = self._fleet, self._settings.supervisor_failures
        sick: dict[str, list[tuple[Kept, Seen]]] = {}
        for kept in [kept for kept in fleet.state.processes if kept.role != "balancer" and processes.alive(kept)]:
            seen = self._seen(kept)
            kept.looks = kept.looks + 1 if seen.fault and seen.fault == kept.fault else int(bool(seen.fault))
            kept.failures = kept.looks if seen.fault == "hangs" else 0
            kept.fault = seen.fault
            if kept.looks >= often:
                sick.setdefault(seen.fault, []).append((kept, seen))
        fleet.save()
        for fault, found in sick.items():
            if fault in ("errors", "slow"):
                self._healer.relieve([kept for kept, _ in found], found[0][1])
                continue
            for kept, seen in found:
                if kept in fleet.state.processes:  # else a rollback has ended it meanwhile
                    self._healer.mend(kept, fault, seen.reason, {**seen.figures, "looks": kept.looks})
        self._healer.forget()
        fleet.save()

    def _seen(self, kept: Kept) -> Seen:
        if kept.role == "worker":
            return hungry(kept, self._settings) or Seen(state=kept.state)
        seen = look(kept, self._settings, self._fleet.state.p95_before_ms)
        if not (kept.state == "given_up" and seen.fault):
            kept.state = seen.state
        return seen
