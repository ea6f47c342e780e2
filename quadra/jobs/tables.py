"""Tables of the job engine."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column


class Job(Base):
    __tablename__ = "job"
    __table_args__ = (sa.Index("ix_job_claim", "state", "available_at", "priority"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    kind: Mapped[str] = mapped_column(name_column(64))
    args: Mapped[dict[str, object]] = mapped_column(JsonText, default=dict)
    project_id: Mapped[int | None] = mapped_column()
    batch_id: Mapped[str | None] = mapped_column(name_column(36), index=True)
    state: Mapped[str] = mapped_column(sa.String(8), default="PENDING")
    priority: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=5)
    available_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    lease_token: Mapped[str | None] = mapped_column(name_column(36))
    leased_by: Mapped[str | None] = mapped_column(name_column(100))
    lease_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    trigger: Mapped[str] = mapped_column(sa.String(9), default="SCHEDULED")
    last_error: Mapped[str | None] = mapped_column(Text)
    error_context: Mapped[list[object]] = mapped_column(JsonText, default=list)
    """One entry for each failed attempt, oldest first."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    unique_key: Mapped[str | None] = mapped_column(name_column(120), unique=True)
    """`kind:batch` while the job is unfinished, NULL afterwards: NULLs never collide, so this is a partial unique index
    that every database has."""
