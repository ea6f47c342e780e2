"""How a handler says what went wrong, and what follows from it: another attempt, none, or a wait that costs none."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from msgspec import UNSET, Struct, UnsetType, to_builtins
from sqlalchemy.exc import SQLAlchemyError

from quadra.core import clock
from quadra.core.errors import QuadraError, Unavailable

BACKOFF_MOST = timedelta(hours=1)
JITTER = 0.2
HISTORY_MOST = 50
"""Entries kept: a job that is requeued again and again must not grow without end."""
TRACEBACK_CHARACTERS = 4_000
MESSAGE_CHARACTERS = 2_000


class Transient(QuadraError):
    """It may work another time."""

    code = "transient"


class Permanent(QuadraError):
    """It will never work; the job becomes a dead letter at once."""

    code = "permanent"


class TimedOut(Transient):
    """The attempt took longer than its kind may take."""

    code = "timed_out"


class WorkerLost(Transient):
    """The worker died, or its heartbeats stopped, before the job was done."""

    code = "worker_lost"


class Stuck(Transient):
    """The attempt ran for longer than QUADRA_STUCK_AFTER."""

    code = "stuck"


class Cancelled(QuadraError):
    """A person cancelled the job; what its worker still does for it is thrown away."""

    code = "cancelled"


class LeaseLost(QuadraError):
    """Somebody else was given the job; what this worker did for it is thrown away."""

    code = "lease_lost"


class FailedAttempt(Struct, kw_only=True):
    """A failed attempt as the job's history keeps it. Another release may have kept less."""

    attempt: int | UnsetType = UNSET
    at: str | UnsetType = UNSET
    worker: str | UnsetType | None = UNSET
    error_type: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    traceback: str | UnsetType = UNSET
    seconds: float | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a job after an error. Without `retry_in` it is dead."""

    retry_in: timedelta | None
    spends_attempt: bool = True


def judge(error: BaseException, *, attempt: int, max_attempts: int, backoff: timedelta) -> Verdict:
    """What follows when this attempt (1 for the first) ended with `error`."""
    if isinstance(error, Unavailable) and not isinstance(error.__cause__, SQLAlchemyError):
        return Verdict(timedelta(seconds=error.retry_after_seconds), spends_attempt=False)
    # `Unavailable` from our own database is an attempt all the same: were it really away, nothing could be written about
    # this job now; a statement that breaks its connection or its time limit each time must not be repeated forever
    if isinstance(error, Permanent) or attempt >= max_attempts:
        return Verdict(None)
    return Verdict(delay(attempt, backoff))


def delay(attempt: int, backoff: timedelta) -> timedelta:
    """`backoff` after the first attempt, then doubling; jittered, so that jobs that failed together come back apart."""
    doubled = backoff * 2.0 ** min(attempt - 1, 30)
    return min(doubled * random.uniform(1 - JITTER, 1 + JITTER), BACKOFF_MOST)


def failed_attempt(error: BaseException, *, attempt: int, worker: str | None, seconds: float) -> FailedAttempt:
    trace = "".join(traceback.format_exception(error)) if error.__traceback__ else ""
    return FailedAttempt(
        attempt=attempt,
        at=clock.iso(clock.now()),
        worker=worker,
        error_type=type(error).__name__,
        message=_clean(str(error))[:MESSAGE_CHARACTERS],
        traceback=_clean(trace)[-TRACEBACK_CHARACTERS:],
        seconds=round(seconds, 3),
    )


def longer(history: list[Any], attempt: FailedAttempt) -> list[Any]:
    """The history with one more attempt; the oldest ones go."""
    return [*history, to_builtins(attempt)][-HISTORY_MOST:]


def _clean(text: str) -> str:
    """Without what PostgreSQL cannot store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
