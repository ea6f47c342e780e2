"""Goals of a project: kept, found, changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.analytics.tables import GoalRow
from quadra.analytics.visits.goal import Goal
from quadra.core.api.given import Given, Where
from quadra.core.errors import NotFound
from quadra.core.runtime import Runtime


def where_of(kept: dict[str, Any]) -> Where:
    """A filter as it is kept: an object, as a body has it."""
    return Given.of_body({"where": kept}).where()


def kept_where(where: Where) -> dict[str, Any]:
    """The same the other way round, in the shortest way in which a body can say it."""
    found: dict[str, Any] = {}
    for prop, values, op in where:
        found.setdefault(prop, {})[op] = list(values) if len(values) > 1 else values[0]
    return {prop: ops["is"] if list(ops) == ["is"] else ops for prop, ops in found.items()}


def as_goal(row: GoalRow) -> Goal:
    return Goal(row.id, row.name, row.event, row.page, where_of(row.where), row.value_property, row.currency)


def goals_of(runtime: Runtime, project_id: int) -> tuple[Goal, ...]:
    """All of a project, the oldest first."""
    query = sa.select(GoalRow).where(GoalRow.project_id == project_id).order_by(GoalRow.id)
    with runtime.database.read() as session:
        return tuple(as_goal(row) for row in session.scalars(query))


def goal_of(runtime: Runtime, project_id: int, goal_id: str) -> Goal:
    """Raises `NotFound`, for a goal of another project as for none."""
    with runtime.database.read() as session:
        row = find_goal(session, goal_id)
        if row.project_id != project_id:
            raise NotFound("There is no such goal.")
        return as_goal(row)


def find_goal(session: Session, goal_id: str) -> GoalRow:
    """Of whatever project. Raises `NotFound`."""
    if len(goal_id) > 36 or (row := session.get(GoalRow, goal_id)) is None:
        raise NotFound("There is no such goal.")
    return row
