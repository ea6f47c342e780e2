"""Annotations: what happened at a moment, for charts over time to mark. People write them, and so do rooms: a release its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.analytics.tables import ANNOTATION_MOST, Annotation
from quadra.core import clock

BY_A_PERSON = "person"


def annotate(
    session: Session,
    project_id: int,
    text: str,
    *,
    at: datetime | None = None,
    source: str = BY_A_PERSON,
    by: str = "quadra",
) -> Annotation:
    """Write one, in the caller's transaction. `source` says what wrote it by itself: `release`, `restore`, …"""
    row = Annotation(
        project_id=project_id,
        at=at or clock.now(),
        text=text[:ANNOTATION_MOST],
        source=source[:16],
        created_by=by[:300],
    )
    session.add(row)
    session.flush()
    return row


def annotate_all(session: Session, text: str, *, source: str) -> Sequence[Annotation]:
    """In every project: what happened to the installation happened to each of them."""
    ids = session.scalars(sa.select(Project.id)).all()
    return [annotate(session, project_id, text, source=source) for project_id in ids]
