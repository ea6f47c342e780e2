"""Every group of HTTP doors and socket events that is described, as a table of contents: a room with doors has a line here.

The order is that of the page `/api/docs`.
"""

from __future__ import annotations

from quadra.accounts import openapi as accounts
from quadra.alerts import openapi as alerts
from quadra.analytics import openapi as analytics
from quadra.assistants import openapi as assistants
from quadra.backup import openapi as backup
from quadra.core.api.openapi import Group
from quadra.dashboard import openapi as dashboard
from quadra.field import openapi as field
from quadra.health import openapi as health
from quadra.ingest import openapi as ingest
from quadra.insights import openapi as insights
from quadra.jobs import openapi as jobs
from quadra.rollout import openapi as rollout
from quadra.sinks import openapi as sinks
from quadra.warehouse import openapi as warehouse

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
