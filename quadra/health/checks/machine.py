"""The machine: room on the disk, memory, processors."""

from __future__ import annotations

from quadra.health.context import CheckContext, disk_percent, memory_percent
from quadra.health.verdict import DEGRADED, HEALTHY, UNHEALTHY, Found, check, graded

GLANCE_SECONDS = 30.0
"""A shorter look at the processors proves nothing: starting up is busy, too."""


@check("machine")
def disk(context: CheckContext) -> Found:
    """The disk of DATA_DIR."""
    settings = context.runtime.settings
    percent = disk_percent(settings.data_dir)
    status = graded(percent, settings.health_disk_warn, settings.health_disk_fail)
    return Found(
        status,
        f"The disk of {settings.data_dir} is {percent:g} % full.",
        {"percent": percent, "path": str(settings.data_dir)},
    )


@check("machine")
def memory(context: CheckContext) -> Found:
    settings = context.runtime.settings
    percent = memory_percent()
    status = graded(percent, settings.health_memory_warn, settings.health_memory_fail)
    return Found(status, f"{percent:g} % of the memory is in use.", {"percent": percent})


@check("machine", worst=DEGRADED)
def cpu(context: CheckContext) -> Found:
    """Over five minutes, or as long as this process runs. Busy processors do their work: they are a reason, never a failure."""
    settings = context.runtime.settings
    percent, seconds = context.machine.cpu()
    status = (
        HEALTHY if seconds < GLANCE_SECONDS else graded(percent, settings.health_cpu_warn, settings.health_cpu_fail)
    )
    message = f"Processors were {percent:g} % busy over {max(1, round(seconds))} s."
    if status == UNHEALTHY:
        message += " Whatever else is slow, is slow for this."
    return Found(status, message, {"percent": percent, "measured_seconds": seconds})
