"""What a worker found at its last look, check by check, for alerts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.observing.metrics import gauges
from quadra.core.settings import Settings
from quadra.health import history
from quadra.health.verdict import WORSE

OLD = timedelta(minutes=10)
"""A report that is older, and than three intervals, says nothing about now."""


def checks(session: Session, settings: Settings) -> Iterator[GaugeMetricFamily]:
    numbers = {}
    for report in history.latest(session, 1):
        if clock.now() - report.at < max(OLD, 3 * settings.health_interval):
            numbers = {name: WORSE.index(said["status"]) for name, said in report.checks.items()}
    yield gauges(
        "health_check", "What a check of health found: 0 healthy, 1 degraded, 2 unhealthy.", ("check",), numbers
    )


GAUGES = (checks,)
