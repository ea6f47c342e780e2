"""Channels, alerts, what they found, and each message that follows from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.accounts.tables import Project
from quadra.alerts.sender import ChannelKind
from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column
from quadra.core.ids import uuid7

NAME_MOST, TARGET_MOST, SUBJECT_MOST = 200, 2_000, 64

FiringState = Literal["firing", "resolved"]
DELIVERY_STATES = {
    "pending": "its job waits or runs",
    "delivered": "the other side took it",
    "failed": "its job is a dead letter; it is tried again while it is younger than a day",
    "cancelled": "its alert or its channel is gone",
}


class Channel(Base):
    """Where people are told."""

    __tablename__ = "alert_channel"

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id), index=True)
    kind: Mapped[ChannelKind] = mapped_column(name_column(16))
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    target: Mapped[str] = mapped_column(Text)
    secret: Mapped[str | None] = mapped_column(sa.String(200))
    """Signs messages. Never shown after it was made."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class Alert(Base):
    """A rule, who is told, and where its evaluation stands."""

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id), index=True)
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    when: Mapped[dict[str, Any]] = mapped_column("rule", JsonText)
    to: Mapped[list[str]] = mapped_column("channels", JsonText)
    """Ids of channels."""
    quiet_minutes: Mapped[int] = mapped_column()
    muted_until: Mapped[datetime | None] = mapped_column(Instant)
    looked_at: Mapped[datetime] = mapped_column(Instant, index=True)
    """When it was taken for an evaluation last."""
    taken_by: Mapped[str | None] = mapped_column(name_column(36), index=True)
    """The evaluation that took it."""
    pending: Mapped[dict[str, str]] = mapped_column(JsonText, default=dict)
    """Subject -> since when the condition holds, of those that have not held for long enough."""
    last_error: Mapped[str | None] = mapped_column(Text)
    """Why it could not be evaluated the last time."""
    changes: Mapped[int] = mapped_column(default=0)
    """Grows with each write about its firings: of two evaluations at once, one has an effect."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class Firing(Base):
    """From when a condition held until it did not."""

    __tablename__ = "alert_firing"
    __table_args__ = (
        sa.Index("ix_alert_firing_alert_at", "alert_id", "at"),
        sa.Index("ix_alert_firing_resolved", "resolved_at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    alert_id: Mapped[str] = mapped_column(sa.ForeignKey(Alert.id))
    subject: Mapped[str] = mapped_column(name_column(SUBJECT_MOST))
    """What it is about, where one alert may be about several things: an error group, an insight."""
    value: Mapped[float | None] = mapped_column(sa.Double)
    threshold: Mapped[float | None] = mapped_column(sa.Double)
    message: Mapped[str] = mapped_column(Text)
    figures: Mapped[dict[str, Any]] = mapped_column(JsonText)
    page: Mapped[str] = mapped_column(Text)
    """The page that shows the figures, with its parameters."""
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    told: Mapped[bool] = mapped_column(default=False)
    """Whether messages were made of it: while an alert is muted, none are."""


class Delivery(Base):
    """One message to one channel. Its id goes out with it, the same at each attempt."""

    __tablename__ = "alert_delivery"
    __table_args__ = (
        sa.UniqueConstraint("firing_id", "channel_id", "state"),
        sa.Index("ix_alert_delivery_status_at", "status", "at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    firing_id: Mapped[str] = mapped_column(sa.ForeignKey(Firing.id))
    channel_id: Mapped[str] = mapped_column(name_column(36), index=True)
    state: Mapped[FiringState] = mapped_column(sa.String(8))
    status: Mapped[str] = mapped_column(sa.String(9), default="pending")
    job_id: Mapped[str] = mapped_column(name_column(36))
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str | None] = mapped_column(Text)
    """What the other side said last, or why it could not be reached."""
