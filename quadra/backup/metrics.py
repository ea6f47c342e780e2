"""How far the furthest replica is behind, as the primary measures it. No number where there is no replica to measure."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import maybe
from quadra.core.settings import Settings

LAG = sa.text(
    "SELECT max(CASE WHEN replay_lsn = pg_current_wal_lsn() THEN 0 ELSE extract(epoch FROM replay_lag) END)::float "
    "FROM pg_stat_replication"
)


def replication_lag(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    seconds = None
    if session.get_bind().dialect.name == "postgresql" and not session.scalar(sa.text("SELECT pg_is_in_recovery()")):
        seconds = session.scalar(LAG)
    yield maybe("replication_lag_seconds", "How far the replica that is furthest behind is behind.", seconds)


GAUGES = (replication_lag,)
