"""What each sink was given and what it still waits for. Nothing here is written while events come in."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.database import Base, Instant, Text, name_column
from quadra.core.ids import uuid7

SINK_NAME = 32


class SinkRow(Base):
    """A sink that was configured at some time."""

    __tablename__ = "sink"

    name: Mapped[str] = mapped_column(name_column(SINK_NAME), primary_key=True)
    paused_at: Mapped[datetime | None] = mapped_column(Instant)
    since: Mapped[datetime] = mapped_column(Instant)
    """Batches that were sealed before are delivered only by a replay."""
    looked_at: Mapped[datetime] = mapped_column(Instant)
    """Every batch that was sealed well before this time is in the queue."""
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    last_error: Mapped[str | None] = mapped_column(Text)
    last_error_at: Mapped[datetime | None] = mapped_column(Instant)


class QueuedBatch(Base):
    """A batch that a sink is to be given, or was given. The queue is the rows without `delivered_at`."""

    __tablename__ = "sink_batch"
    __table_args__ = (
        # the first for the queue of one project in its order, the second for what is old enough to be forgotten
        sa.Index("ix_sink_batch_queue", "sink", "delivered_at", "project_id", "batch_id"),
        sa.Index("ix_sink_batch_sealed", "sink", "sealed_at"),
    )

    sink: Mapped[str] = mapped_column(name_column(SINK_NAME), primary_key=True)
    batch_id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    events: Mapped[int] = mapped_column()
    sealed_at: Mapped[datetime] = mapped_column(Instant)
    waits_since: Mapped[datetime] = mapped_column(Instant)
    """When it was sealed, or asked for again."""
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)


class SinkProgress(Base):
    """How much of a project a sink has taken, repeats included."""

    __tablename__ = "sink_progress"

    sink: Mapped[str] = mapped_column(name_column(SINK_NAME), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id), primary_key=True, autoincrement=False)
    delivered_events: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    delivered_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class QuarantinedEvent(Base):
    """An event that a sink refused for what it holds. It is not sent again, except by a replay."""

    __tablename__ = "sink_quarantine"
    __table_args__ = (
        sa.UniqueConstraint("sink", "project_id", "event_id"),
        sa.Index("ix_sink_quarantine_sink_at", "sink", "at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    sink: Mapped[str] = mapped_column(name_column(SINK_NAME))
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    event_id: Mapped[str] = mapped_column(name_column(128))
    batch_id: Mapped[str] = mapped_column(name_column(36))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
