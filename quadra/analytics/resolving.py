"""Groups of errors that somebody called resolved. An error that arrives after that opens its group again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.analytics.tables import ErrorResolution
from quadra.core import clock
from quadra.core.runtime import Runtime

Resolutions = dict[str, int]
"""Group -> since when, in microseconds."""


def resolutions(runtime: Runtime, project_id: int) -> Resolutions:
    query = sa.select(ErrorResolution.group_id, ErrorResolution.resolved_at)
    with runtime.database.read() as session:
        found = session.execute(query.where(ErrorResolution.project_id == project_id))
        return {group_id: clock.to_us(at) for group_id, at in found}


def resolve(session: Session, project_id: int, group_id: str, *, by: str) -> ErrorResolution:
    """As of now, also where it was resolved before."""
    reopen(session, project_id, group_id)
    row = ErrorResolution(project_id=project_id, group_id=group_id, resolved_at=clock.now(), resolved_by=by[:300])
    session.add(row)
    session.flush()
    return row


def reopen(session: Session, project_id: int, group_id: str) -> None:
    """Fine where it was open."""
    session.execute(
        sa.delete(ErrorResolution).where(ErrorResolution.project_id == project_id, ErrorResolution.group_id == group_id)
    )
