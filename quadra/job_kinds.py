"""Every kind of job, as a table of contents: a room with handlers has a line here. A later room may replace an earlier one's.

Those of sinks depend on the settings: a sink that is not configured has none.
"""

from __future__ import annotations

from quadra.alerts import handlers as alerts
from quadra.analytics import handlers as analytics
from quadra.backup import handlers as backup
from quadra.core.settings import Settings
from quadra.field import handlers as field
from quadra.insights import handlers as insights
from quadra.insights import unusual
from quadra.jobs.handlers import Handler, batch_kinds
from quadra.sinks import handlers as sinks
from quadra.warehouse import handlers as warehouse

HANDLERS: dict[str, Handler] = {
    **warehouse.HANDLERS,
    **field.HANDLERS,
    **insights.HANDLERS,
    **unusual.HANDLERS,
    **analytics.HANDLERS,
    **backup.HANDLERS,
    **alerts.HANDLERS,
}
"""kind -> how it is done"""

BATCH_KINDS = batch_kinds(HANDLERS)
"""What each sealed batch gets a job of: kind -> priority"""


def handlers_for(settings: Settings) -> dict[str, Handler]:
    """What a worker with these settings does."""
    return {**HANDLERS, **sinks.handlers(settings)}
