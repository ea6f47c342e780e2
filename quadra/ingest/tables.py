"""The log: events, and the batches that group them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core.database import Base, Instant, JsonText, Text, name_column

BATCH_STATES = {
    "OPEN": "its writer still adds events to it",
    "SEALED": "it never changes again; jobs work on it",
    "ANALYZED": "it has its insight",
    "ARCHIVED": "its rows have left the hot table for the segments",
}
BATCH_MOVES = {"OPEN": ("SEALED",), "SEALED": ("ANALYZED",), "ANALYZED": ("ARCHIVED",), "ARCHIVED": ()}


class Batch(Base):
    """A run of events of one project from one writer. At most one is OPEN for each (project, writer)."""

    __tablename__ = "batch"
    __table_args__ = (
        sa.Index("ix_batch_project_opened", "project_id", "opened_at"),
        sa.Index("ix_batch_status_opened", "status", "opened_at"),
        sa.Index("ix_batch_segment_project", "segment_id", "project_id"),
        sa.Index("ix_batch_cold_sealed", "cold_at", "sealed_at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    writer: Mapped[str] = mapped_column(name_column(100))
    status: Mapped[str] = mapped_column(sa.String(8), default="OPEN")
    event_count: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    sealed_at: Mapped[datetime | None] = mapped_column(Instant)
    analyzed_at: Mapped[datetime | None] = mapped_column(Instant)
    archived_at: Mapped[datetime | None] = mapped_column(Instant)
    segment_id: Mapped[str | None] = mapped_column(name_column(36))
    """The compaction that put its rows into segments. While NULL, questions read its rows from here; from the commit that
    sets it, from the segments: so each row is read exactly once at every moment."""
    cold_at: Mapped[datetime | None] = mapped_column(Instant)
    """When its rows left this database."""


class Event(Base):
    """One event. The primary key is the deduplication: a repeated (project, event id) is the same event."""

    __tablename__ = "event"

    project_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(name_column(128), primary_key=True)
    batch_id: Mapped[str] = mapped_column(name_column(36), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    name: Mapped[str] = mapped_column(name_column(200))
    """`event_name` where it was given, else `event_type`."""
    event_type: Mapped[str] = mapped_column(name_column(200))
    category: Mapped[str | None] = mapped_column(sa.String(200))
    user_id: Mapped[str | None] = mapped_column(name_column(200))
    """The user id, else the anonymous id."""
    anonymous_id: Mapped[str | None] = mapped_column(name_column(200))
    session_id: Mapped[str | None] = mapped_column(name_column(200))
    occurred_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant)
    page_url: Mapped[str | None] = mapped_column(Text)
    page_title: Mapped[str | None] = mapped_column(Text)
    referrer: Mapped[str | None] = mapped_column(Text)
    device_type: Mapped[str | None] = mapped_column(sa.String(16))
    browser: Mapped[str | None] = mapped_column(sa.String(64))
    os: Mapped[str | None] = mapped_column(sa.String(64))
    duration_ms: Mapped[float | None] = mapped_column(sa.Double)
    value: Mapped[float | None] = mapped_column(sa.Double)
    """The kind's number: survey score, AI cost in USD, metric value."""
    success: Mapped[bool | None] = mapped_column()
    bot: Mapped[bool] = mapped_column(default=False)
    fields: Mapped[dict[str, object] | None] = mapped_column(JsonText)
    """The typed fields of the kind that have no column of their own, in snake_case."""
    properties: Mapped[dict[str, object] | None] = mapped_column(JsonText)
    """What the sender added, as it came."""
