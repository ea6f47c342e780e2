"""Tables of the lenses: none of their own answers, only the questions that people keep, and what they said of errors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, name_column
from quadra.core.ids import uuid7

NAME_MOST = 200
ANNOTATION_MOST = 500
KEPT_MOST = 500
"""Goals, segments and annotations of a project, of each: a question looks at all goals."""


class SavedView(Base):
    """A page as somebody left it, with the questions it asks. Shared, it answers exactly those to whoever has the link."""

    __tablename__ = "saved_view"
    __table_args__ = (sa.Index("ix_saved_view_project_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    page: Mapped[str] = mapped_column(sa.String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    questions: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    """Key -> {lens, params}, as they passed the lens's own reading."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))
    share_sha256: Mapped[str | None] = mapped_column(name_column(64), unique=True)
    """Of the token in the link; the token itself is shown once."""
    shared_at: Mapped[datetime | None] = mapped_column(Instant)
    shared_by: Mapped[str | None] = mapped_column(sa.String(300))


class ErrorResolution(Base):
    """Somebody says that a group of errors is dealt with. What arrives of it later opens it again, without a change here."""

    __tablename__ = "error_resolution"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id), primary_key=True, autoincrement=False)
    group_id: Mapped[str] = mapped_column(name_column(32), primary_key=True)
    resolved_at: Mapped[datetime] = mapped_column(Instant)
    resolved_by: Mapped[str] = mapped_column(sa.String(300))


class GoalRow(Base):
    """What people of a project are wanted to do: an event, or a page to be seen."""

    __tablename__ = "goal"
    __table_args__ = (sa.Index("ix_goal_project_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    event: Mapped[str | None] = mapped_column(sa.String(NAME_MOST))
    page: Mapped[str | None] = mapped_column(sa.String(1_000))
    where: Mapped[dict[str, Any]] = mapped_column("filters", JsonText, default=dict)
    value_property: Mapped[str | None] = mapped_column(sa.String(NAME_MOST))
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class SegmentOfPeople(Base):
    """People who fit a rule. Not to be taken for a segment of the warehouse, which is a file."""

    __tablename__ = "people_segment"
    __table_args__ = (sa.Index("ix_people_segment_project_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    name: Mapped[str] = mapped_column(sa.String(NAME_MOST))
    rule: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    """`where`, `did` and `did_not`, as a request states them."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class Annotation(Base):
    """Something that happened at a moment, and that charts over time mark."""

    __tablename__ = "annotation"
    __table_args__ = (sa.Index("ix_annotation_project_at", "project_id", "at"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    at: Mapped[datetime] = mapped_column(Instant)
    text: Mapped[str] = mapped_column(sa.String(ANNOTATION_MOST))
    source: Mapped[str] = mapped_column(sa.String(16))
    """`person`, or what wrote it by itself: `release`, `restore`, …"""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))


class ExportedFile(Base):
    """Events as a file that a worker makes, kept for some days. It is offered from `done_at` until `erased_at`."""

    __tablename__ = "exported_file"
    __table_args__ = (sa.Index("ix_exported_file_project_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True, default=uuid7)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey(Project.id))
    name: Mapped[str] = mapped_column(sa.String(300))
    """As it is downloaded."""
    format: Mapped[str] = mapped_column(sa.String(8))
    asked: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    """Parameter -> its values, as a request states them; the range as two moments."""
    job_id: Mapped[str] = mapped_column(name_column(36))
    file: Mapped[str | None] = mapped_column(sa.String(120))
    """In the directory of exports. Each attempt has a name of its own."""
    bytes: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """So far."""
    progress: Mapped[float | None] = mapped_column(sa.Double)
    """The part of its days that is written, 0 to 1. None where that is not known."""
    erasures: Mapped[int] = mapped_column(default=0)
    """Grows with each erasure in the project: an attempt that began before has no effect."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    created_by: Mapped[str] = mapped_column(sa.String(300))
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    erased_at: Mapped[datetime | None] = mapped_column(Instant)
    """Somebody was erased from the project, and the file with them."""
