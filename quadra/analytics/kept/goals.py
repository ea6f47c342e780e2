"""Goals of a project: kept, found, changed."""

from __future__ import annotations

import sqlalchemy as sa

from quadra.analytics.tables import GoalRow
from quadra.analytics.visits.goal import Goal
from quadra.core.api.raw_params import where_of
from quadra.core.errors import NotFound
from quadra.core.runtime import Runtime


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
        row = session.get(GoalRow, goal_id)
        if row is None or row.project_id != project_id:
            raise NotFound("There is no such goal.")
        return as_goal(row)
