"""What the doors to goals, segments and annotations have in common: whose they are, how many there may be, what is audited."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts import noting
from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics.tables import Annotation, GoalRow, SegmentOfPeople
from quadra.core.api.params import says, within
from quadra.core.web.http import json_body

KEPT_MOST = 500
"""Of each, in a project: a question looks at all goals of it."""


K = TypeVar("K", GoalRow, SegmentOfPeople, Annotation)


class Listing(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    limit: Annotated[int, within(1, 1_000, "How many to a page.")] = 50
    cursor: Annotated[str | None, says("That of the page before.")] = None


class Gone(Struct, kw_only=True):
    success: bool


def listed(session: Session, table: type[K], project_id: int, asked: Listing) -> tuple[list[K], str | None]:
    """(a page, newest first; the cursor of the next one)."""
    query = sa.select(table).where(table.project_id == project_id)
    if asked.cursor is not None:
        query = query.where(table.id < asked.cursor)
    found = list(session.scalars(query.order_by(table.id.desc()).limit(asked.limit + 1)))
    return found[: asked.limit], found[asked.limit - 1].id if len(found) > asked.limit else None


def given_names() -> set[str]:
    """The fields of the body, also those that say null: a change leaves out what stays."""
    return set(json_body())


def note(session: Session, action: str, row: Any, project: Project, details: dict[str, object] | None = None) -> None:
    noting.note(session, f"analytics.{action}", subject=row.id, project_id=project.id, details=details)
