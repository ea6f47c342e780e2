"""How the warehouse stands, in numbers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.ingest.tables import Batch
from quadra.warehouse.tables import LIVE, RETIRED, Segment


class Status(Struct, kw_only=True, rename={"from_": "from"}):
    project: str
    segments: int
    rows: int
    bytes: int
    bytes_per_row: float | None
    from_: str | None
    to: str | None
    waiting_rows: int
    waiting_batches: int


FIELDS = tuple(field.encode_name for field in structs.fields(Status))


def status(session: Session) -> list[Status]:
    """One entry for each project that has events. `waiting` is what no compaction has taken yet, open batches included."""
    live = {row.project_id: row for row in session.execute(_live())}
    waiting = {row.project_id: row for row in session.execute(_waiting())}
    slugs = dict(session.execute(sa.select(Project.id, Project.slug)).all())
    return [
        _entry(slugs.get(found, str(found)), live.get(found), waiting.get(found)) for found in sorted({*live, *waiting})
    ]


def replaced_files(session: Session) -> int:
    """Files that are still there for questions which may have them open."""
    return session.scalar(sa.select(sa.func.count()).where(Segment.state == RETIRED)) or 0


def _live() -> Any:
    columns = (
        sa.func.count().label("segments"),
        sa.func.sum(Segment.rows).label("held"),
        sa.func.sum(Segment.bytes).label("size"),
        sa.func.min(Segment.day).label("first"),
        sa.func.max(Segment.day).label("last"),
    )
    return sa.select(Segment.project_id, *columns).where(Segment.state == LIVE).group_by(Segment.project_id)


def _waiting() -> Any:
    columns = (sa.func.count().label("batches"), sa.func.sum(Batch.event_count).label("held"))
    return sa.select(Batch.project_id, *columns).where(Batch.segment_id.is_(None)).group_by(Batch.project_id)


def _entry(slug: str, live: Any, waiting: Any) -> Status:
    rows, size = (int(live.held), int(live.size)) if live else (0, 0)
    return Status(
        project=slug,
        segments=live.segments if live else 0,
        rows=rows,
        bytes=size,
        bytes_per_row=round(size / rows, 1) if rows else None,
        from_=str(live.first) if live else None,
        to=str(live.last) if live else None,
        waiting_rows=int(waiting.held or 0) if waiting else 0,
        waiting_batches=waiting.batches if waiting else 0,
    )
