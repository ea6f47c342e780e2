"""Jobs that dead and stuck workers hold are taken back; what ended long ago is forgotten."""

from __future__ import annotations

import logging
from datetime import timedelta

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep
from quadra.jobs import recover

logger = logging.getLogger(__name__)


def recover_lost(runtime: Runtime) -> None:
    stuck_after, backoff = runtime.settings.stuck_after, runtime.settings.job_backoff
    with runtime.database.read() as session:
        lost = recover.find_lost(session, stuck_after=stuck_after)
    for job_id in lost:
        with runtime.database.begin() as session:
            done = recover.recover(session, job_id, stuck_after=stuck_after, backoff=backoff)
        if done is not None:
            fields = {"job_id": job_id, "state": done.state, "reason": done.reason, "lost_by": done.worker}
            logger.warning("jobs.job.recovered", extra=fields)


def prune(runtime: Runtime) -> None:
    """Jobs that ended long ago, workers that are silent."""
    now = clock.now()
    with runtime.database.begin() as session:
        recover.prune_workers(session, silent_since=now - 3 * runtime.settings.job_lease)
    count = 1
    while count:
        with runtime.database.begin() as session:
            count = recover.prune(session, finished_before=now - runtime.settings.job_keep)


UPKEEP = (
    Upkeep("recover", lambda settings: settings.job_lease / 4, recover_lost),
    Upkeep("prune", lambda settings: max(settings.job_lease, timedelta(seconds=5)), prune),
)
