"""How much history there is."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import gauge
from quadra.core.settings import Settings
from quadra.warehouse.tables import LIVE, Segment


def segments(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    columns = (sa.func.count(), sa.func.sum(Segment.rows), sa.func.sum(Segment.bytes))
    count, rows, size = session.execute(sa.select(*columns).where(Segment.state == LIVE)).one()
    yield gauge("segment_rows", "Events in live segments.", int(rows or 0))
    yield gauge("segment_bytes", "Bytes of live segments.", int(size or 0))
    yield gauge("segments", "Live segments.", count)


GAUGES = (segments,)
