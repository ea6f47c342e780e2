"""Every kind of job, as a table of contents. To add one: a file with its function in the room it belongs to, a line here."""

from __future__ import annotations

from dataclasses import replace

from quadra.analytics import forgetting
from quadra.backup import kept_handlers as backup
from quadra.insights import handlers as insights
from quadra.jobs.handlers import Handler, batch_kinds
from quadra.warehouse import handlers as warehouse
from quadra.warehouse.erasing_jobs import ERASE

HANDLERS: dict[str, Handler] = {
    **insights.HANDLERS,
    **warehouse.HANDLERS,
    **backup.HANDLERS,
    # the warehouse knows nothing of insights and saved views, which name people too
    ERASE: replace(warehouse.HANDLERS[ERASE], work=forgetting.erase_person),
}
"""kind -> how it is done"""

BATCH_KINDS = batch_kinds(HANDLERS)
"""What each sealed batch gets a job of: kind -> priority"""
