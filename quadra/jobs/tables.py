"""Tables of the job engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column
from quadra.jobs.states import JobState, Trigger


class Job(Base):
    """Something to be done once in effect. `jobs.states` says how `state` moves."""

    __tablename__ = "job"
    __table_args__ = (
        # in the order of claiming: MariaDB locks every row it reads, and would lock them all if it had to sort. By kind, since
        # what waits of a paused one may be a million, and must not be walked through
        sa.Index("ix_job_claim", "state", "kind", "priority", "available_at", "id"),
        sa.Index("ix_job_due", "state", "available_at"),
        # by which an idle worker sees when the next of each kind is due
        sa.Index("ix_job_kind", "state", "kind", "available_at"),
        sa.Index("ix_job_finished", "state", "finished_at"),
        sa.Index("ix_job_project_updated", "project_id", "updated_at"),
    )

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    kind: Mapped[str] = mapped_column(name_column(64))
    args: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    project_id: Mapped[int | None] = mapped_column()
    batch_id: Mapped[str | None] = mapped_column(name_column(36), index=True)
    state: Mapped[JobState] = mapped_column(sa.String(9), default="PENDING")
    priority: Mapped[int] = mapped_column(default=0)
    """The smaller, the sooner."""
    attempt: Mapped[int] = mapped_column(default=0)
    """Taken when the job is claimed, so that a worker that dies has spent it."""
    max_attempts: Mapped[int] = mapped_column(default=5)
    available_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    lease_token: Mapped[str | None] = mapped_column(name_column(36))
    leased_by: Mapped[str | None] = mapped_column(name_column(100))
    """The worker that holds it, or held it last."""
    lease_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    trigger: Mapped[Trigger] = mapped_column(sa.String(9), default="SCHEDULED")
    last_error: Mapped[str | None] = mapped_column(Text)
    error_context: Mapped[list[Any]] = mapped_column(JsonText, default=list)
    """One entry for each failed attempt, oldest first."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    """Of the latest attempt."""
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    unique_as: Mapped[str | None] = mapped_column(name_column(120))
    """What it must be the only unfinished one of; kept for a requeue."""
    unique_key: Mapped[str | None] = mapped_column(name_column(120), unique=True)
    """`unique_as` while the job is unfinished, NULL afterwards: NULLs never collide, so this is a partial unique index
    that every database has."""


class WorkerRow(Base):
    """A worker process that is alive, or was a moment ago."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(name_column(100), primary_key=True)
    kinds: Mapped[list[Any]] = mapped_column(JsonText)
    concurrency: Mapped[int] = mapped_column()
    running: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    heartbeat_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)


class PausedKind(Base):
    """A kind of job that no worker claims, until a person resumes it."""

    __tablename__ = "paused_kind"

    kind: Mapped[str] = mapped_column(name_column(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    by: Mapped[str] = mapped_column(sa.String(300))
    reason: Mapped[str] = mapped_column(sa.String(500))


def rows_hit(session: Session, statement: sa.Update | sa.Delete) -> int:
    """Execute a conditional write and count the rows whose condition held."""
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sa.CursorResult[Any]", done).rowcount
