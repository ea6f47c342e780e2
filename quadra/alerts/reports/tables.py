"""Reports, and each mail that follows from them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.accounts.tables import Project
from quadra.alerts.tables import NAME_MOST
from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column
from quadra.core.ids import uuid7

Every = Literal["day", "week", "month"]


class Report(Base):
    """What is sent, how often, to whom."""

    __tablename__ = "report"

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id), index=True)
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    view_id: Mapped[str | None] = mapped_column(name_column(36))
    """The saved view. It may be gone: then the report says so."""
    page: Mapped[str | None] = mapped_column(sa.String(64))
    every: Mapped[Every] = mapped_column(sa.String(8))
    at: Mapped[str] = mapped_column(sa.String(5))
    """The time of day, as the clocks of the time zone show it."""
    timezone: Mapped[str] = mapped_column(sa.String(64))
    to: Mapped[list[str]] = mapped_column("channels", JsonText)
    """Ids of channels."""
    next_at: Mapped[datetime] = mapped_column(Instant, index=True)
    last_sent_at: Mapped[datetime | None] = mapped_column(Instant)
    last_error: Mapped[str | None] = mapped_column(Text)
    """Why the last one could not be made or sent."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class ReportMail(Base):
    """One mail to one channel. Its id goes out with it, the same at each attempt."""

    __tablename__ = "report_mail"
    __table_args__ = (sa.Index("ix_report_mail_status_at", "status", "at"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    report_id: Mapped[str] = mapped_column(sa.ForeignKey(Report.id), index=True)
    channel_id: Mapped[str] = mapped_column(name_column(36), index=True)
    due_at: Mapped[datetime] = mapped_column(Instant)
    """It is about the period before this moment."""
    status: Mapped[str] = mapped_column(sa.String(9), default="pending")
    job_id: Mapped[str] = mapped_column(name_column(36))
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str | None] = mapped_column(Text)
