"""The job kinds of alerts, and erasing a person: alerts name people too, so the handler of the room below gives way."""

from __future__ import annotations

from dataclasses import replace

from quadra.alerts import delivering, forgetting
from quadra.alerts.firing import NOTIFY
from quadra.alerts.reports import sending
from quadra.analytics import handlers as analytics
from quadra.jobs.handlers import Handler
from quadra.warehouse.erasure.jobs import ERASE

HANDLERS: dict[str, Handler] = {
    NOTIFY: delivering.HANDLER,
    sending.REPORT: sending.HANDLER,
    ERASE: replace(analytics.HANDLERS[ERASE], work=forgetting.erase_person),
}
