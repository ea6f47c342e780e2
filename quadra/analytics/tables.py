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
