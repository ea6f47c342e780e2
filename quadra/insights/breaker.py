"""The circuit breaker in front of a dependency: after some failures in a row nobody calls it for a while, in any process;
then one call tries it out.

A refused call raises `Unavailable`: the job engine postpones the job and spends none of its attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pybreaker
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.insights import answers
from quadra.insights.breaker_storage import DatabaseStorage
from quadra.insights.tables import Breaker

logger = logging.getLogger(__name__)
T = TypeVar("T")

TRIAL_WAIT_SECONDS = 15
"""How long those wait who find a trial under way. It ends soon, and they should not come back all at once with others."""


@dataclass(frozen=True)
class Guard:
    """What is protected, and how patient it is with it."""

    name: str
    failures: int
    cooldown: timedelta
    trial_length: timedelta
    """Longer than a call can take: a process that dies with the trial blocks the others no longer than this."""


def call(database: Database, guard: Guard, function: Callable[[], T], *, counts: Callable[[BaseException], bool]) -> T:
    """`function()`, if the breaker lets it through. Errors for which `counts` says no are answers of a healthy dependency.

    Raises what `function` raises, or `Unavailable` without calling it.
    """
    storage = DatabaseStorage(database, guard.name)
    # one for each call: the library holds a lock while it calls, and calls must not wait for one another
    breaker = pybreaker.CircuitBreaker(
        fail_max=guard.failures,
        reset_timeout=guard.cooldown.total_seconds(),
        exclude=[lambda error: not counts(error)],
        state_storage=storage,
        name=guard.name,
        listeners=[_Listener(storage, guard)],
        throw_new_error_on_trip=False,
    )
    try:
        return breaker.call(function)
    except pybreaker.CircuitBreakerError as error:
        seconds = _seconds_left(storage, guard)
        raise Unavailable(
            f"The breaker {guard.name!r} is open after {guard.failures} failures in a row; it lets a call try in {seconds} s.",
            code="breaker_open",
            retry_after_seconds=seconds,
        ) from error


NEVER_CALLED = answers.Breaker(state="CLOSED", failure_count=0, last_state_change=None, opened_at=None)


def states(session: Session, *, cooldown: timedelta) -> dict[str, answers.Breaker]:
    """Every breaker by its name, as the API shows it.

    The row says OPEN until somebody calls. Once the cool-down is over that call is let through, which is HALF_OPEN.
    """
    at = clock.now()
    shown = {}
    for row in session.scalars(sa.select(Breaker).order_by(Breaker.name)):
        state, changed_at = row.state, row.last_state_change
        if state == "OPEN" and row.opened_at is not None and row.opened_at + cooldown <= at:
            state, changed_at = "HALF_OPEN", row.opened_at + cooldown
        shown[row.name] = answers.Breaker(
            state=state,
            failure_count=row.failure_count,
            last_state_change=clock.iso(changed_at),
            opened_at=clock.iso_or_none(row.opened_at),
        )
    return shown


class _Listener(pybreaker.CircuitBreakerListener):
    """Keeps everybody but one out of HALF_OPEN, which the library itself lets all through, and logs the changes."""

    def __init__(self, storage: DatabaseStorage, guard: Guard):
        self._storage = storage
        self._guard = guard

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        # called after the state was looked at and before the call; what is raised here is no failure of the call
        if self._storage.seen == "HALF_OPEN" and not self._storage.take_trial(self._guard.trial_length):
            raise pybreaker.CircuitBreakerError("another process tries it out")

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        logger.warning(
            "insights.breaker.changed",
            extra={"breaker": self._guard.name, "was": getattr(old_state, "name", ""), "state": new_state.name},
        )


def _seconds_left(storage: DatabaseStorage, guard: Guard) -> int:
    """Until a call may try: the rest of the cool-down, or a moment where a trial is under way."""
    opened_at = storage.opened_at
    left = (opened_at + guard.cooldown - clock.now()).total_seconds() if opened_at else 0.0
    return (
        max(1, round(left)) if left > 0 else min(TRIAL_WAIT_SECONDS, max(1, round(guard.trial_length.total_seconds())))
    )
