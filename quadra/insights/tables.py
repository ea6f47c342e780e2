"""Tables of the insights room."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column
from quadra.core.ids import uuid7

BreakerState = Literal["CLOSED", "OPEN", "HALF_OPEN"]
BREAKER_STATES: dict[BreakerState, str] = {
    "CLOSED": "calls go through; failures in a row are counted",
    "OPEN": "calls are refused until the cool-down is over",
    "HALF_OPEN": "one trial call is let through; the others are refused until it has ended",
}
BREAKER_MOVES = {"CLOSED": ("OPEN",), "OPEN": ("HALF_OPEN",), "HALF_OPEN": ("CLOSED", "OPEN")}


class Insight(Base):
    """What one analyst said about one batch, or the field about some minutes. The unique key makes a doubled analysis the same
    insight."""

    __tablename__ = "insight"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "analyst"),
        # the history that a new batch is compared with, and the newest first of one project
        sa.Index("ix_insight_project_analyst_batch", "project_id", "analyst", "batch_id"),
        sa.Index("ix_insight_project_created", "project_id", "created_at"),
        sa.Index("ix_insight_project_updated", "project_id", "updated_at"),
        sa.Index("ix_insight_created", "created_at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    batch_id: Mapped[str | None] = mapped_column(name_column(36))
    """NULL for an anomaly of a signal: it is of minutes."""
    analyst: Mapped[str] = mapped_column(name_column(16))
    """`local`, `llm` or `field`."""
    summary: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(sa.Double)
    patterns: Mapped[list[str]] = mapped_column(JsonText, default=list)
    recommendations: Mapped[list[str]] = mapped_column(JsonText, default=list)
    evidence: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    digest: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    """The batch in numbers (local analyst only): later batches are compared with it, without reading its events again."""
    model: Mapped[str | None] = mapped_column(sa.String(200))
    tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cost_usd: Mapped[float | None] = mapped_column(sa.Double)
    event_count: Mapped[int] = mapped_column()
    window_from: Mapped[datetime | None] = mapped_column(Instant)
    window_to: Mapped[datetime | None] = mapped_column(Instant)
    analysis_ms: Mapped[float] = mapped_column(sa.Double, default=0.0)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime | None] = mapped_column(Instant)
    """When an anomaly last went on; NULL for what never changes."""


class HourCount(Base):
    """Events of a project in one hour, as the batches that were analysed tell: what is usual for an hour of the day."""

    __tablename__ = "insight_hour"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    hour_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    events: Mapped[int] = mapped_column(sa.BigInteger)


class Breaker(Base):
    """A circuit breaker that all processes share. `epoch` grows with every change of state and with every trial taken."""

    __tablename__ = "breaker"

    name: Mapped[str] = mapped_column(name_column(64), primary_key=True)
    state: Mapped[BreakerState] = mapped_column(sa.String(9), default="CLOSED")
    failure_count: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None] = mapped_column(Instant)
    last_state_change: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    epoch: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    trial_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    """Until when the trial of HALF_OPEN is somebody's; a process that died with it lets go by this."""
