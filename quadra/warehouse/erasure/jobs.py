"""Ask for an erasure: the wish and its job, in one transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from quadra.core.errors import Conflict, Invalid
from quadra.jobs.queue import MANUAL, enqueue
from quadra.jobs.tables import Job
from quadra.warehouse.tables import Erasure

ERASE = "erase"
PRIORITY = 10


def request_erasure(session: Session, project_id: int, user_id: str, *, max_attempts: int) -> tuple[Erasure, Job]:
    """Note the wish and enqueue its job. Whether there is such a user is not told. Raises `Invalid`."""
    if not user_id or len(user_id) > 200 or "\x00" in user_id:
        raise Invalid("There can be no such user.", fields={"user_id": "1 to 200 characters"})
    erasure = Erasure(project_id=project_id, user_id=user_id, ids=[user_id])
    session.add(erasure)
    session.flush()
    job = enqueue_erasure(session, erasure, max_attempts=max_attempts)
    if job is None:
        raise Conflict
    return erasure, job


def enqueue_erasure(session: Session, erasure: Erasure, *, max_attempts: int) -> Job | None:
    """Its job; None where it is unfinished already."""
    try:
        return enqueue(
            session,
            kind=ERASE,
            args={"erasure_id": erasure.id},
            project_id=erasure.project_id,
            unique_as=f"{ERASE}:{erasure.id}",
            priority=PRIORITY,
            trigger=MANUAL,
            max_attempts=max_attempts,
        )
    except Conflict:
        return None
