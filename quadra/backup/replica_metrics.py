"""How far the furthest replica is behind, as the primary measures it. Absent where there is no replica to measure."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.metrics import gauge

LAG = sa.text(
    "SELECT max(CASE WHEN replay_lsn = pg_current_wal_lsn() THEN 0 ELSE extract(epoch FROM replay_lag) END)::float "
    "FROM pg_stat_replication"
)


def replication_lag(session: Session) -> Iterator[GaugeMetricFamily]:
    if session.get_bind().dialect.name != "postgresql":
        return
    if session.scalar(sa.text("SELECT pg_is_in_recovery()")):
        return
    seconds = session.scalar(LAG)
    if seconds is not None:
        yield gauge("replication_lag_seconds", "How far the replica that is furthest behind is behind.", seconds)
