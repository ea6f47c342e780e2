"""The job kinds of sinks: one for each that is configured and whose library is installed, and no other."""

from __future__ import annotations

from functools import partial

from quadra.core.settings import Settings
from quadra.jobs.handlers import Handler
from quadra.sinks.delivering import TIMEOUT, deliver
from quadra.sinks.registry import configured

PRIORITY = 50


def handlers(settings: Settings) -> dict[str, Handler]:
    """Each has a thread of its own in every worker: a sink that hangs takes none from the others."""
    return {
        sink.kind: Handler(partial(deliver, sink), timeout=TIMEOUT, priority=PRIORITY, apart=True)
        for sink in configured(settings)
    }
