"""What workers do for alerts again and again."""

from __future__ import annotations

from datetime import timedelta

from quadra.alerts import delivering, evaluating
from quadra.alerts.reports import sending
from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep

KEPT = timedelta(days=90)
"""How long firings that are over are kept, and what is noted about mails of reports."""


def _forget(runtime: Runtime) -> None:
    evaluating.forget(runtime, older_than=KEPT)
    sending.forget(runtime, older_than=KEPT)


UPKEEP = (
    Upkeep("alerts", lambda _: timedelta(seconds=5), evaluating.evaluate),
    Upkeep("reports", lambda _: timedelta(seconds=20), sending.enqueue_due),
    Upkeep("alerts-again", lambda _: timedelta(minutes=1), delivering.try_again),
    Upkeep("alerts-forget", lambda _: timedelta(hours=1), _forget),
)
