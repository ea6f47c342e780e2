"""The log: events, and the batches that group them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core.database import Base, Instant, JsonText, name_column
from quadra.ingest.columns import COLUMNS, in_database

BatchState = Literal["OPEN", "SEALED", "ANALYZED", "ARCHIVED"]
BATCH_STATES: dict[BatchState, str] = {
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
    status: Mapped[BatchState] = mapped_column(sa.String(8), default="OPEN")
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
    """One event, with the columns of `columns.Row`. The primary key is the deduplication: a repeated (project, event id) is
    the same event."""

    __table__ = sa.Table(
        "event",
        Base.metadata,
        *map(in_database, COLUMNS),
        sa.Column("batch_id", name_column(36), nullable=False, index=True),
    )

    if TYPE_CHECKING:  # of columns that statements name; the others need not stand here
        batch_id: Mapped[str]
        project_id: Mapped[int]
        event_id: Mapped[str]
        kind: Mapped[str]
        name: Mapped[str]
        event_type: Mapped[str]
        category: Mapped[str | None]
        user_id: Mapped[str | None]
        session_id: Mapped[str | None]
        occurred_at: Mapped[datetime]
        received_at: Mapped[datetime]
        page_url: Mapped[str | None]
        browser: Mapped[str | None]
        duration_ms: Mapped[float | None]
        value: Mapped[float | None]
        success: Mapped[bool | None]
        bot: Mapped[bool]
        fields: Mapped[dict[str, object] | None]
        properties: Mapped[dict[str, object] | None]


class IngestCount(Base):
    """How many events of an hour of receipt were not stored: duplicates, and what was refused."""

    __tablename__ = "ingest_count"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Since 1970, in UTC."""
    door: Mapped[str] = mapped_column(name_column(16), primary_key=True)
    outcome: Mapped[str] = mapped_column(name_column(16), primary_key=True)
    reason: Mapped[str] = mapped_column(name_column(64), primary_key=True)
    number: Mapped[int] = mapped_column(sa.BigInteger())


class ImportedTotal(Base):
    """What another tool counted on a day. Nobody's events: no question about events or people reads it."""

    __tablename__ = "imported_total"
    __table_args__ = (sa.Index("ix_imported_total_day", "project_id", "report", "day"),)

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    """Made of the tool, the day, the dimensions and the names of the metrics: a later export replaces it."""
    tool: Mapped[str] = mapped_column(name_column(16))
    report: Mapped[str] = mapped_column(name_column(200))
    """The names of its dimensions; empty for the totals of a day."""
    day: Mapped[str] = mapped_column(name_column(10))
    """In the time zone that the tool counted in."""
    dimensions: Mapped[dict[str, str]] = mapped_column(JsonText)
    metrics: Mapped[dict[str, float]] = mapped_column(JsonText)
    imported_at: Mapped[datetime] = mapped_column(Instant)
