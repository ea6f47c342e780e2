"""What the watcher does by itself about a fault: the least that may help, then more, ever more slowly and not for ever. Each act
is followed by another look, and is in the journal with the figures that caused it.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

import redis

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.ids import uuid7
from quadra.core.redis import make_client
from quadra.core.settings import Settings
from quadra.rollout import deploying, processes
from quadra.rollout.faults import FAULTS, Action
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused
from quadra.rollout.looking import Seen, look
from quadra.rollout.records import Act, Care, Kept, note

HANG_SECONDS = 10.0
"""For a replica that hangs to end by itself."""
MOST_MORE = 2
"""Replicas beyond those of the plan; the next deployment starts without them."""
OUR_KEYS = "LIMIT*quadra*"
"""In Redis: the counts of rate limits, all that Quadra keeps there."""


class Healer:
    """Acts for one watcher. With `dry_run` it only says what it does."""

    def __init__(self, fleet: Fleet, tell: deploying.Tell, *, dry_run: bool = False):
        self._fleet = fleet
        self._settings = fleet.settings
        self._tell = tell
        self._dry_run = dry_run
        if fleet.state.dry_run:  # what was not done does not count
            fleet.state.care = Care()
            for kept in fleet.state.processes:
                kept.attempts, kept.next_attempt = 0, 0.0
        fleet.state.dry_run = dry_run

    def mend(self, kept: Kept, fault: str, reason: str, figures: dict[str, Any]) -> None:
        """One process that ended, hangs or takes too much. It has attempts of its own."""
        if kept.state == "given_up" or time.time() < kept.next_attempt:
            return
        ladder = FAULTS[fault].ladder
        if kept.attempts >= min(self._settings.supervisor_attempts, len(ladder)):
            if self._dry_run:
                return
            kept.state = "given_up"
            self._note("restart", kept.name, kept.release, "given_up", reason, figures, kept.attempts)
            return
        action = ladder[kept.attempts]
        if action == "rollback" and not self._may_go_back():
            action = "restart"
        kept.next_attempt = time.time() + backoff(self._settings, kept.attempts)
        kept.attempts += 1
        kept.looks = 0
        if self._dry_run:
            outcome = "dry_run"
        elif action == "rollback":
            outcome = self._go_back(reason, fault, figures)
        else:
            outcome, said = self._restart(kept, fault)
            reason = f"{reason} {said}".rstrip()
        self._note(action, kept.name, kept.release, outcome, reason, figures, kept.attempts)

    def relieve(self, sick: list[Kept], seen: Seen) -> None:
        """A release that answers badly, though its processes live. One account for all of its replicas."""
        state, care = self._fleet.state, self._fleet.state.care
        now = time.time()
        care.seen_at = now
        if care.given_up or now < care.next_attempt:
            return
        ladder, release = FAULTS[seen.fault].ladder, state.release or ""
        while care.attempts < min(self._settings.supervisor_attempts, len(ladder)):
            if self._can(ladder[care.attempts]):
                break
            care.attempts += 1
        else:
            if self._dry_run:
                return
            care.given_up = True
            self._note("restart", "release", release, "given_up", seen.reason, seen.figures, care.attempts)
            return
        action = ladder[care.attempts]
        care.fault, care.next_attempt = seen.fault, now + backoff(self._settings, care.attempts)
        care.attempts += 1
        attempt = care.attempts
        for kept in sick:
            kept.looks = 0
        targets, outcome = self._do(action, sick, seen)
        self._note(action, targets, release, outcome, seen.reason, seen.figures, attempt)

    def forget(self) -> None:
        """Attempts are forgotten after RESET_AFTER of being well."""
        now, after = time.time(), self._settings.supervisor_reset_after.total_seconds()
        for kept in self._fleet.state.processes:
            if kept.attempts and kept.state != "given_up" and not kept.fault and now - kept.born > after:
                kept.attempts = 0
        care = self._fleet.state.care
        if care.attempts and not care.given_up and now - care.seen_at > after:
            self._fleet.state.care = Care()

    def _can(self, action: Action) -> bool:
        if action == "scale_up":
            return len(self._fleet.serving()) < self._fleet.plan.replicas + MOST_MORE
        return action != "rollback" or self._may_go_back()

    def _may_go_back(self) -> bool:
        """Once for each release, and never across a migration that the release before does not work over."""
        state = self._fleet.state
        return (
            state.previous is not None
            and state.release not in state.rolled_back
            and state.runs_over_schema(state.previous)
            and self._fleet.place.program(state.previous).is_file()
        )

    def _do(self, action: Action, sick: list[Kept], seen: Seen) -> tuple[str, str]:
        """(target, outcome)."""
        fleet = self._fleet
        names = ", ".join(kept.name for kept in sick)
        if self._dry_run:
            return names, "dry_run"
        if action == "rollback":
            return fleet.state.previous or "", self._go_back(seen.reason, seen.fault, seen.figures)
        try:
            if action == "restart":
                for kept in sick:
                    fleet.replace(kept)
            elif action == "scale_up":
                new = fleet.start("web", fleet.state.release or "", fleet.state.serving or "")
                names = new.name
                fleet.admit(new)
            else:
                names = f"{clear_cache(self._settings)} keys"
        except (Refused, OSError, QuadraError, redis.RedisError) as error:
            self._tell(f"{action}: {error}")
            return names, "failed"
        return names, "failed" if self._still_sick() else "succeeded"

    def _still_sick(self) -> bool:
        return any(
            look(kept, self._settings, self._fleet.state.p95_before_ms).fault
            for kept in self._fleet.serving()
            if processes.alive(kept)
        )

    def _restart(self, kept: Kept, fault: str) -> tuple[str, str]:
        """(outcome, what went wrong). One that works is replaced, so that no request is lost."""
        try:
            if fault == "memory":
                self._fleet.replace(kept)
            else:
                processes.stop(kept, HANG_SECONDS)
                self._fleet.restart(kept)
        except (Refused, OSError) as error:
            if fault != "memory":
                processes.kill(kept)
            return "failed", str(error)
        except QuadraError as error:  # of the balancer, which is told again at the next turn
            return "failed", error.message
        kept.fault = ""
        return "succeeded", ""

    def _go_back(self, reason: str, fault: str, figures: dict[str, Any]) -> str:
        back = deploying.go_back(self._fleet, reason, FAULTS[fault].kind, figures, self._tell)
        return "succeeded" if back.status == "completed" else "failed"

    def _note(
        self,
        action: Action,
        target: str,
        release: str,
        outcome: str,
        reason: str,
        figures: dict[str, Any],
        attempt: int,
    ) -> None:
        self._fleet.save()
        self._tell(f"{action} of {target}: {outcome}. {reason}")
        act = Act(
            id=uuid7(),
            at=clock.iso(clock.now()),
            action=action,
            target=target,
            release=release,
            outcome=outcome,
            reason=reason,
            figures=figures,
            attempt=attempt,
            watcher_pid=os.getpid(),
        )
        note(self._fleet.place, act=act)


def backoff(settings: Settings, attempts: int) -> float:
    """Seconds until the next attempt, after so many before this one: doubled each time, and never all at once."""
    return settings.supervisor_backoff.total_seconds() * float(2**attempts) * random.uniform(0.8, 1.2)


def clear_cache(settings: Settings) -> int:
    """Take away what Quadra keeps in Redis, and nothing of others there. How many keys it was. Raises `redis.RedisError`."""
    client = make_client(settings, seconds=5)
    gone = 0
    try:
        for key in client.scan_iter(match=OUR_KEYS, count=1_000):
            gone += int(client.unlink(key))
    finally:
        client.close()
    return gone
