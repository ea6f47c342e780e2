"""Tables of health: what was found lately, and the row that a check writes and removes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core.database import Base, Instant, JsonText, name_column

Verdict = Literal["healthy", "degraded", "unhealthy"]
"""From good to bad."""


class HealthReport(Base):
    """The report of one interval. Its beginning is the key: of several workers, one writes it."""

    __tablename__ = "health_report"

    slot_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    status: Mapped[Verdict] = mapped_column(sa.String(9))
    parts: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """part -> verdict"""
    checks: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """name -> status and message; details are those of the moment and not kept"""
    source: Mapped[str] = mapped_column(name_column(100))
    """The process that looked."""


class HealthMark(Base):
    """Empty: a row is here only while a check writes it."""

    __tablename__ = "health_mark"

    id: Mapped[str] = mapped_column(name_column(36), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
