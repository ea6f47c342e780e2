"""Which files hold the history, and who asked to be erased. What is not listed here is not read, whatever lies on the disk."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, name_column
from quadra.core.ids import uuid7

LIVE, RETIRED = "LIVE", "RETIRED"
SEGMENT_STATES = {
    LIVE: "questions read it",
    RETIRED: "others hold its rows, or they may not be read any more; its file goes once no question can have it open",
}
SEGMENT_MOVES: dict[str, tuple[str, ...]] = {LIVE: (RETIRED,), RETIRED: ()}


class Segment(Base):
    """One Parquet file: events of one project that occurred on one UTC day. It never changes; it is replaced."""

    __tablename__ = "segment"
    __table_args__ = (
        sa.Index("ix_segment_project_state_day", "project_id", "state", "day"),
        sa.Index("ix_segment_state_retired", "state", "retired_at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    day: Mapped[date] = mapped_column(sa.Date)
    path: Mapped[str] = mapped_column(name_column(200), unique=True)
    """In the store."""
    rows: Mapped[int] = mapped_column(sa.BigInteger)
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(name_column(64))
    links: Mapped[int] = mapped_column(sa.BigInteger)
    """How many rows join two ids of a person; a file with none need not be asked."""
    min_occurred_at: Mapped[datetime] = mapped_column(Instant)
    max_occurred_at: Mapped[datetime] = mapped_column(Instant)
    min_received_at: Mapped[datetime] = mapped_column(Instant)
    max_received_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(sa.String(8), default=LIVE)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    verified_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the whole file was last read back and agreed with this row."""
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class Erasure(Base):
    """A person is to be erased. Kept forever: a restore brings rows back, and this list takes them out again."""

    __tablename__ = "erasure"
    __table_args__ = (sa.Index("ix_erasure_project_requested", "project_id", "requested_at"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    user_id: Mapped[str] = mapped_column(name_column(200))
    ids: Mapped[list[Any]] = mapped_column(JsonText, default=list)
    """Every id of that person, as known when it was done."""
    requested_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    """What was received until then goes; what the same person sends later is new."""
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    rows: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """How many rows were taken out."""
