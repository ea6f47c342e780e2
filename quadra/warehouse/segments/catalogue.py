"""The list of segments: what a question reads, and how the list changes. Every change is conditional and believes its row
count, so that two workers who did the same work publish it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.warehouse.tables import LIVE, Segment

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A segment as a question needs it."""

    id: str
    path: str
    bytes: int
    sha256: str
    rows: int
    links: int
    min_occurred_us: int
    max_occurred_us: int


def live(session: Session, project_id: int | None = None) -> list[Listed]:
    """All segments of a project, or of all, that questions read."""
    low, high = (sa.type_coerce(at, sa.BigInteger) for at in (Segment.min_occurred_at, Segment.max_occurred_at))
    columns = (Segment.id, Segment.path, Segment.bytes, Segment.sha256, Segment.rows, Segment.links, low, high)
    query = sa.select(*columns).where(Segment.state == LIVE).order_by(Segment.id)
    found = session.execute(query if project_id is None else query.where(Segment.project_id == project_id))
    return [Listed(*row) for row in found]


def day_of(us: int) -> date:
    """The UTC day of a time."""
    return clock.from_us(us).date()


def first_kept_us(retention_days: int | None) -> int | None:
    """Where history begins: what occurred before is gone for every question, whether or not it was deleted yet."""
    if retention_days is None:
        return None
    today: datetime = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return clock.to_us(today - timedelta(days=retention_days))
