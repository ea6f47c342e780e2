"""Nothing has arrived for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look
from quadra.core import clock
from quadra.core.api.params import within
from quadra.ingest.tables import Batch, Event

NEWEST = 3
"""Batches that are looked at: each writer fills one at a time."""


class When(Struct, kw_only=True):
    minutes: Annotated[int, within(1, 43_200, "How long nothing has arrived.")]


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    latest: datetime | None = at.once(("latest", project.id), lambda: _latest(at, project))
    quiet = at.at - (latest or project.created_at)
    if quiet < timedelta(minutes=when.minutes):
        return []
    minutes = quiet.total_seconds() / 60
    return [
        Found(
            value=round(minutes, 1),
            threshold=float(when.minutes),
            message=f"The last event arrived {minutes:.0f} min ago." if latest else "No event has arrived yet.",
            figures={"latest": clock.iso_or_none(latest)},
            page="live",
        )
    ]


def _latest(at: Look, project: Project) -> datetime | None:
    with at.runtime.database.read() as session:
        return latest_arrival(session, project.id)


def latest_arrival(session: Session, project_id: int) -> datetime | None:
    """When the newest event of a project was received; None where it never had one."""
    batches = sa.select(Batch.id, Batch.sealed_at).where(Batch.project_id == project_id)
    newest = session.execute(batches.order_by(Batch.opened_at.desc()).limit(NEWEST)).all()
    ids = {row.id for row in (*newest, *session.execute(batches.where(Batch.status == "OPEN")).all())}
    if not ids:
        return None
    hot: datetime | None = session.scalar(sa.select(sa.func.max(Event.received_at)).where(Event.batch_id.in_(ids)))
    # rows that moved into a segment left their batch behind; it was sealed when the last of them had come
    return hot or max((row.sealed_at for row in newest if row.sealed_at), default=None)


KIND = Kind(name="no_events", says="No event has arrived for so many minutes.", When=When, look=look)
