"""Jobs have become dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import sqlalchemy as sa
from msgspec import Struct

from quadra.accounts.projects import DEFAULT
from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look
from quadra.core.api.params import within
from quadra.jobs.states import FAILED
from quadra.jobs.tables import Job


class When(Struct, kw_only=True):
    more_than: Annotated[int, within(0, 1_000_000, "How many may lie there before anybody is told.")] = 0


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    count: int = at.once(("dead letters", project.id), lambda: _count(at, project))
    if count <= when.more_than:
        return []
    return [
        Found(
            value=float(count),
            threshold=float(when.more_than),
            message=f"{count} jobs are dead letters, more than {when.more_than}.",
            page="pipeline",
            params={"tab": "dead-letters"},
        )
    ]


def _count(at: Look, project: Project) -> int:
    whose: sa.ColumnElement[bool] = Job.project_id == project.id
    if project.slug == DEFAULT:  # jobs of no project are the installation's, which this one stands for
        whose = sa.or_(whose, Job.project_id.is_(None))
    with at.runtime.database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Job).where(Job.state == FAILED, whose)) or 0


KIND = Kind(name="dead_letters", says="More jobs than this are dead letters.", When=When, look=look)
