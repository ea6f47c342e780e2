"""The states of a job, and which may follow which. Every write of a state is one of these moves, made by one conditional
update that names the state it expects; where that update hits no row, `require_move` says why.
"""

from __future__ import annotations

from typing import Final, Literal

from quadra.core.errors import Conflict

Trigger = Literal["SCHEDULED", "MANUAL"]
JobState = Literal["PENDING", "RUNNING", "SUCCESS", "FAILED", "DISCARDED"]
PENDING: Final = "PENDING"
RUNNING: Final = "RUNNING"
SUCCESS: Final = "SUCCESS"
FAILED: Final = "FAILED"
DISCARDED: Final = "DISCARDED"

JOB_STATES: dict[JobState, str] = {
    PENDING: "it waits for a worker, or for the time of its next attempt",
    RUNNING: "a worker holds its lease and works on it",
    SUCCESS: "its effect is stored",
    FAILED: "a dead letter: nothing happens to it until a person requeues or discards it",
    DISCARDED: "a person decided that it will never be done",
}
JOB_MOVES = {
    PENDING: (RUNNING, DISCARDED),
    RUNNING: (SUCCESS, PENDING, FAILED, DISCARDED),
    SUCCESS: (),
    FAILED: (PENDING, DISCARDED),
    DISCARDED: (),
}
UNFINISHED = (PENDING, RUNNING)
"""While a job is in one of these, its unique key keeps out another one like it."""


def require_move(job_id: str, current: str, wanted: str) -> None:
    """Raises `Conflict` where a job that is `current` may not become `wanted`."""
    if wanted not in JOB_MOVES[current]:
        raise Conflict(f"Job {job_id} is {current} and cannot become {wanted}.")
