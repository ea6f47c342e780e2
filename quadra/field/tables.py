"""Tables of the field: what it knows now, what it said of each batch, its versions, the trainings that made them, and the
signals minute by minute."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column
from quadra.core.ids import uuid7

TRAINING_STATES = {
    "started": "its job waits for a worker",
    "running": "it reads the history",
    "completed": "it made a version",
    "failed": "it made none; `message` says why",
}


class FieldState(Base):
    """The field of a project as of its last batch. Whoever changes it holds its row."""

    __tablename__ = "field_state"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    data: Mapped[str] = mapped_column(Text)
    """The arrays, as `artifact.pack` writes them."""
    version: Mapped[int] = mapped_column(default=0)
    """The version it goes on from; 0 for none."""
    iterations: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    loss: Mapped[float] = mapped_column(sa.Double, default=0.0)
    variance: Mapped[float] = mapped_column(sa.Double, default=0.0)
    drift: Mapped[float | None] = mapped_column(sa.Double)
    """How far it has come from its version; NULL without one."""
    drift_since: Mapped[datetime | None] = mapped_column(Instant)
    """Since when that is beyond the threshold."""
    drift_cells: Mapped[list[Any]] = mapped_column(JsonText, default=list)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class FieldReading(Base):
    """What the field said of a batch before it learned it. The key makes a repeated job learn nothing twice."""

    __tablename__ = "field_reading"
    __table_args__ = (sa.Index("ix_field_reading_project_at", "project_id", "at"),)

    batch_id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    events: Mapped[int] = mapped_column()
    version: Mapped[int] = mapped_column()
    loss: Mapped[float] = mapped_column(sa.Double)
    reward: Mapped[float] = mapped_column(sa.Double)
    variance: Mapped[float] = mapped_column(sa.Double)
    novelty_z: Mapped[float] = mapped_column(sa.Double)
    anomalous: Mapped[bool] = mapped_column()
    moved: Mapped[list[Any]] = mapped_column(JsonText, default=list)


class FieldVersion(Base):
    """A trained field. Its arrays lie in a file of DATA_DIR/models."""

    __tablename__ = "field_version"
    __table_args__ = (sa.UniqueConstraint("project_id", "version"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    version: Mapped[int] = mapped_column()
    training_id: Mapped[str] = mapped_column(name_column(36))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    active: Mapped[bool] = mapped_column(default=False)
    stem: Mapped[str] = mapped_column(sa.String(200))
    """Name of its files, without the suffix."""
    sha256: Mapped[str] = mapped_column(sa.String(64))
    cells: Mapped[int] = mapped_column()
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    decay: Mapped[float] = mapped_column(sa.Double)
    iterations: Mapped[int] = mapped_column(sa.BigInteger)
    events: Mapped[int] = mapped_column(sa.BigInteger)
    loss: Mapped[float] = mapped_column(sa.Double)
    window_from: Mapped[datetime] = mapped_column(Instant)
    window_to: Mapped[datetime] = mapped_column(Instant)
    code_version: Mapped[str] = mapped_column(sa.String(40))


class TrainingRun(Base):
    """A training: what was asked, how far it is, and where it goes on after a worker died."""

    __tablename__ = "training_run"
    __table_args__ = (sa.Index("ix_training_run_project_started", "project_id", "started_at"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(name_column(36))
    status: Mapped[str] = mapped_column(sa.String(9), default="started")
    args: Mapped[dict[str, Any]] = mapped_column(JsonText)
    message: Mapped[str] = mapped_column(Text, default="")
    iteration: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    loss: Mapped[float | None] = mapped_column(sa.Double)
    variance: Mapped[float | None] = mapped_column(sa.Double)
    history: Mapped[list[Any]] = mapped_column(JsonText, default=list)
    checkpoint: Mapped[str | None] = mapped_column(Text)
    """The arrays after `iteration`, while it runs."""
    version: Mapped[int | None] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)


class SignalProgress(Base):
    """How far the signals of a project are judged. Whoever moves `until_at` on from where it was has judged those minutes."""

    __tablename__ = "signal_progress"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    until_at: Mapped[datetime] = mapped_column(Instant)
    """The next minute to judge."""
    saved_at: Mapped[datetime] = mapped_column(Instant)
    """The next minute that the states of `signal_state` do not know."""
    going: Mapped[list[Any]] = mapped_column(JsonText, default=list)
    """The anomalies that go on, as `minutes.Going`."""
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class SignalState(Base):
    """What is remembered of one signal as of its project's `saved_at`."""

    __tablename__ = "signal_state"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(name_column(64), primary_key=True)
    data: Mapped[str] = mapped_column(Text)
    """The arrays, as `minutes.pack` writes them, in base 64."""


class SignalMinute(Base):
    """What came in a minute, what was expected, and how unusual that was, before it was learned."""

    __tablename__ = "signal_minute"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    minute_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    readings: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """Signal -> `minutes.Reading` as a list."""
