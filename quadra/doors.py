"""Every group of HTTP doors and socket events that is described, as a table of contents: a room with doors has a line here.

The order is that of the page `/api/docs`.
"""

from __future__ import annotations

from quadra.accounts import room as accounts
from quadra.alerts import room as alerts
from quadra.analytics import room as analytics
from quadra.assistants import room as assistants
from quadra.backup import room as backup
from quadra.core.api.openapi import Group
from quadra.dashboard import openapi as dashboard
from quadra.field import room as field
from quadra.health import room as health
from quadra.ingest import openapi as ingest
from quadra.insights import room as insights
from quadra.jobs import room as jobs
from quadra.rollout import room as rollout
from quadra.sinks import room as sinks
from quadra.warehouse import room as warehouse

DESCRIBED: tuple[Group, ...] = (
    *ingest.GROUPS,
    dashboard.LIVE,
    *analytics.GROUPS,
    *insights.GROUPS,
    *field.GROUPS,
    *jobs.GROUPS,
    *warehouse.GROUPS,
    *sinks.GROUPS,
    *alerts.GROUPS,
    *assistants.GROUPS,
    *backup.GROUPS,
    *accounts.GROUPS,
    *health.GROUPS,
    *rollout.GROUPS,
    dashboard.DESCRIPTION,
)
