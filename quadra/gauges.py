"""What `/metrics` reads from the database at each scrape, as a table of contents: a room with gauges has a line here.

A function takes a session and the settings, and yields gauges made by `core.metrics.gauge`. All of them together have two
seconds.
"""

from __future__ import annotations

from quadra.alerts import metrics as alerts
from quadra.backup import metrics as backup
from quadra.core.observing.metrics import Stored
from quadra.field import metrics as field
from quadra.health import metrics as health
from quadra.ingest import metrics as ingest
from quadra.insights import metrics as insights
from quadra.jobs import metrics as jobs
from quadra.sinks import metrics as sinks
from quadra.warehouse import metrics as warehouse

STORED: tuple[Stored, ...] = (
    *ingest.GAUGES,
    *jobs.GAUGES,
    *insights.GAUGES,
    *warehouse.GAUGES,
    *sinks.GAUGES,
    *field.GAUGES,
    *health.GAUGES,
    *backup.GAUGES,
    *alerts.GAUGES,
)
