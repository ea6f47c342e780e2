"""The watcher: the only process that acts. It holds a lock, does the deployments that it is asked for, and starts again what
ended or hangs, ever more slowly and not for ever. It asks over HTTP and remembers in files, so it works while the database is
away.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import threading
import time
from collections.abc import Callable

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.ids import uuid7
from quadra.core.settings import Settings
from quadra.rollout import deploying, processes, requests
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused, answers
from quadra.rollout.place import Place
from quadra.rollout.records import Act, Kept, note

LOOK_SECONDS = 0.5
"""Between two looks for requests and for processes that ended."""
PAUSE_SECONDS = 5.0
"""After something that only the operating system or the balancer can put right."""
HANG_SECONDS = 10.0
"""For a replica that hangs to end by itself."""

Tell = Callable[[str], None]


def watch(place: Place, settings: Settings, tell: Tell) -> None:
    """Until SIGTERM or SIGINT; what runs goes on running."""
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
            Watcher(Fleet(place, place.read_plan(), settings), tell).run(stop)
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
    def __init__(self, fleet: Fleet, tell: Tell):
        self._fleet = fleet
        self._settings = fleet.settings
        self._tell = tell
        self._next_probe = 0.0

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
            if kept.role != "balancer" and not processes.alive(kept):
                self._start_again(kept, f"{kept.name} ended.")
        if time.monotonic() >= self._next_probe:
            self._next_probe = time.monotonic() + self._settings.supervisor_check.total_seconds()
            self._probe()

    def _probe(self) -> None:
        """Ask each replica whether it lives. One that lives and is not ready (the database is away) is left alone: a restart
        mends nothing there."""
        for kept in self._fleet.of("web"):
            if not processes.alive(kept):
                continue
            if answers(kept.port or 0, "/health"):
                kept.failures = 0
                kept.state = "ready" if answers(kept.port or 0, "/health/ready") else "not_ready"
            else:
                kept.failures += 1
                kept.state = "failing"
            if kept.failures >= self._settings.supervisor_failures:
                processes.stop(kept, HANG_SECONDS)
                self._start_again(kept, f"{kept.name} did not answer {kept.failures} probes in a row.")
        for kept in self._fleet.state.processes:
            if kept.attempts and time.time() - kept.born > self._settings.supervisor_reset_after.total_seconds():
                kept.attempts = 0
        self._fleet.save()

    def _start_again(self, kept: Kept, reason: str) -> None:
        if kept.state == "given_up" or time.time() < kept.next_attempt:
            return
        figures = {"failures": kept.failures, "attempts": kept.attempts}
        if kept.attempts >= self._settings.supervisor_attempts:
            kept.state = "given_up"
            outcome = "given_up"
        else:
            kept.next_attempt = time.time() + backoff(self._settings, kept.attempts)
            kept.attempts += 1
            try:
                self._fleet.restart(kept)
                outcome = "succeeded"
            except (Refused, OSError) as error:
                processes.kill(kept)
                outcome, reason = "failed", f"{reason} {error}"
        self._fleet.save()
        self._tell(f"Restart of {kept.name}: {outcome}. {reason}")
        act = Act(
            id=uuid7(),
            at=clock.iso(clock.now()),
            action="restart",
            target=kept.name,
            release=kept.release,
            outcome=outcome,
            reason=reason,
            figures=figures,
            attempt=kept.attempts,
            watcher_pid=os.getpid(),
        )
        note(self._fleet.place, act=act)


def backoff(settings: Settings, attempts: int) -> float:
    """Seconds until the next attempt, after so many before this one: doubled each time, and never all at once."""
    return settings.supervisor_backoff.total_seconds() * float(2**attempts) * random.uniform(0.8, 1.2)
