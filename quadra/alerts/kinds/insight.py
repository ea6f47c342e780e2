"""An analyst found something worth a look, or something wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import NEW_FOR, Found, Kind, Look
from quadra.core import clock
from quadra.core.api.params import says
from quadra.insights.finding import SEVERITIES
from quadra.insights.tables import Insight

LEAST = {"notice": SEVERITIES["notice"], "wrong": SEVERITIES["warning"]}
AT_ONCE = 100


class When(Struct, kw_only=True):
    at_least: Annotated[Literal["notice", "wrong"], says("`notice` is worth a look; `wrong` is something wrong.")]


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    return [insight_found(row) for row in recent_insights(at, project) if _severity(row) >= LEAST[when.at_least]]


def recent_insights(at: Look, project: Project) -> list[Insight]:
    """Those that were written, or went on, lately."""
    found: list[Insight] = at.once(("insights", project.id), lambda: _recent(at, project))
    return found


def insight_found(row: Insight) -> Found:
    return Found(
        subject=row.id,
        value=round(row.confidence, 4),
        message=row.summary,
        figures={"batch_id": row.batch_id, "analyst": row.analyst, "at": clock.iso(row.created_at)},
        page="insights",
        params={"batch_id": row.batch_id} if row.batch_id else {},
        happened=row.created_at,
    )


def _recent(at: Look, project: Project) -> list[Insight]:
    since = at.at - NEW_FOR
    query = (
        sa.select(Insight)
        .where(Insight.project_id == project.id, Insight.created_at >= at.at - 24 * NEW_FOR)
        .where(sa.or_(Insight.created_at >= since, Insight.window_to >= since))
        .order_by(Insight.created_at.desc())
        .limit(AT_ONCE)
    )
    with at.runtime.database.read() as session:
        return list(session.scalars(query))


def _severity(row: Insight) -> int:
    """That of its gravest finding. The field says nothing but what is not normal."""
    if row.analyst == "field":
        return SEVERITIES["notice"]
    findings: Any = row.evidence.get("findings")
    found = findings if isinstance(findings, list) else []
    return max((SEVERITIES.get(one.get("severity", ""), 0) for one in found if isinstance(one, dict)), default=0)


KIND = Kind(name="insight", says="An insight is at least this grave.", When=When, look=look)
