"""The job kinds of alerts."""

from __future__ import annotations

from quadra.alerts import delivering
from quadra.alerts.firing import NOTIFY
from quadra.alerts.reports import sending

HANDLERS = {NOTIFY: delivering.HANDLER, sending.REPORT: sending.HANDLER}
