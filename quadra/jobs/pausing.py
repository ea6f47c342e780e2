"""Pause a kind of job: what waits stays where it is, what runs goes on, and no worker claims another one until it is resumed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core.errors import Conflict, NotFound
from quadra.jobs.questions import known_kinds
from quadra.jobs.tables import PausedKind, rows_hit
from quadra.jobs.wake import wake_workers


def pause(session: Session, kind: str, *, by: str, reason: str) -> PausedKind:
    """Raises `NotFound` for a kind that neither a worker nor a job has, `Conflict` where it is paused already."""
    if kind not in known_kinds(session):
        raise NotFound(f"No worker and no job has the kind {kind!r}.")
    row = PausedKind(kind=kind, by=by[:300], reason=reason)
    try:
        # only ever inserted: a row that is updated is locked, and a claim that skips locked rows misses it
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise Conflict(f"The kind {kind} is paused already.") from error
    return row


def resume(session: Session, kind: str) -> None:
    """Raises `NotFound` where it is not paused."""
    if not rows_hit(session, sa.delete(PausedKind).where(PausedKind.kind == kind)):
        raise NotFound(f"The kind {kind!r} is not paused.")
    wake_workers(session)


def list_paused(session: Session) -> dict[str, PausedKind]:
    return {row.kind: row for row in session.scalars(sa.select(PausedKind))}
