"""How far sinks are behind."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import gauges
from quadra.core.settings import Settings
from quadra.sinks.state import sink_states


def lag(session: Session, settings: Settings) -> Iterator[GaugeMetricFamily]:
    states = sink_states(session, settings)
    for name, says, field in (
        ("delivery_lag_seconds", "How long the oldest batch in the queue of a sink has waited.", "lag_seconds"),
        ("delivery_pending_batches", "Batches in the queue of a sink.", "pending_batches"),
        ("delivery_quarantined_events", "Events that a sink refused for good.", "quarantined_events"),
    ):
        yield gauges(name, says, ("sink",), {one.name: getattr(one, field) for one in states})
    paused = {one.name: float(one.state == "paused") for one in states}
    yield gauges("delivery_paused", "1 where somebody paused the sink.", ("sink",), paused)


GAUGES = (lag,)
