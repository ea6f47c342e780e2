"""The anomalies of a project, whoever noticed them: what alerts ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.insights.tables import Insight

ANALYST = "field"
TRAFFIC = "traffic"
"""The signal of an anomaly in what traffic is made of, which batches show."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    id: str
    """Of its insight: the same as long as it is the same anomaly."""
    signal: str
    """`events`, `people`, `errors`, `latency`, `ai_cost`, a goal's `goal:<id>`, or `traffic`."""
    summary: str
    since: datetime
    until: datetime
    """The newest moment at which it was seen."""
    going_on: bool
    value: float | None
    """What came in its worst minute; of traffic, the novelty of its worst batch."""
    expected: tuple[float | None, float | None]
    """The band of that minute; of traffic, (None, the novelty from which a batch is anomalous)."""


def anomalies_since(session: Session, project_id: int, since: datetime) -> Sequence[Anomaly]:
    """What began, went on or ended after that moment, the oldest first."""
    query = (
        sa.select(Insight)
        .where(Insight.project_id == project_id, Insight.updated_at > since, Insight.analyst == ANALYST)
        .order_by(Insight.updated_at, Insight.id)
    )
    return [_anomaly(row) for row in session.scalars(query)]


def _anomaly(row: Insight) -> Anomaly:
    evidence = row.evidence
    return Anomaly(
        id=row.id,
        signal=evidence.get("signal", TRAFFIC),
        summary=row.summary,
        since=row.window_from or row.created_at,
        until=row.window_to or row.created_at,
        going_on=bool(evidence.get("going_on")),
        value=evidence.get("value"),
        expected=(evidence.get("low"), evidence.get("high")),
    )
