"""The goals of a project as signals: the field judges the conversion of each, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.analytics.kept.goals import as_goal
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.trait_columns import traits_in
from quadra.analytics.tables import GoalRow
from quadra.field.signals import Signal, conversion

MOST = 10
"""The oldest goals of a project. More would make each minute dear."""


def goal_signals(session: Session, project_id: int) -> Sequence[Signal]:
    query = sa.select(GoalRow).where(GoalRow.project_id == project_id).order_by(GoalRow.id).limit(MOST)
    params, found = Parameters(), []
    for row in session.scalars(query):
        goal = as_goal(row)
        condition = goal.sql(params)
        if traits_in(condition):  # a minute's look does not know who people are
            continue
        found.append(conversion(f"goal:{goal.id}", f"Conversion of {goal.name}", condition, params))
    return found
