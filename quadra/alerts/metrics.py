"""How many messages went out, how long evaluations take, and what fires."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.alerts.tables import Firing
from quadra.core.observing.metrics import counter, gauge, histogram
from quadra.core.settings import Settings

alert_deliveries_total = counter(
    "alert_deliveries_total",
    "Messages of alerts, by kind of channel and how each attempt ended.",
    ("channel", "outcome"),
)
alert_evaluation_seconds = histogram("alert_evaluation_seconds", "One evaluation of one alert.", ("kind",))


def firing(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    query = sa.select(sa.func.count()).select_from(Firing).where(Firing.resolved_at.is_(None))
    yield gauge("alerts_firing", "Alerts that fire now, one for each subject.", session.scalar(query) or 0)


GAUGES = (firing,)
