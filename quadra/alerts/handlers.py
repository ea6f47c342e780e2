"""The job kinds of alerts."""

from __future__ import annotations

from quadra.alerts import delivering
from quadra.alerts.firing import NOTIFY

HANDLERS = {NOTIFY: delivering.HANDLER}
