"""Seals batches that are old before they are full, and gives sealed ones without a job theirs."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import timedelta

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep
from quadra.ingest import batches, visitors

logger = logging.getLogger(__name__)

JUST_NOW = timedelta(hours=1)
LOOK_AGAIN = timedelta(seconds=10)
SLACK = timedelta(hours=1)
"""Between what pruning forgets and where the search for missing jobs begins: clocks differ."""


class Sealing:
    """When this process looks next for batches that are old enough."""

    def __init__(self, _runtime: Runtime):
        self.next_at = float("-inf")


def seal_when_due(runtime: Runtime) -> None:
    """`seal_by_age`, where one can be old enough by now."""
    sealing, at = runtime.the(Sealing), time.monotonic()
    if at >= sealing.next_at:
        sealing.next_at = at + seal_by_age(runtime).total_seconds()


def seal_by_age(runtime: Runtime) -> timedelta:
    """For so long no other one is: what is opened from now on is due later. Clocks differ, so it is not for long."""
    max_age = runtime.settings.batch_max_age
    with runtime.database.read() as session:
        oldest = batches.oldest_open(session)
    left = max_age if oldest is None else oldest + max_age - clock.now()
    if left > timedelta(0):
        return min(left, max_age / 2, LOOK_AGAIN)
    with runtime.database.begin() as session:
        sealed = batches.seal_due(
            session,
            max_age=max_age,
            job_kinds=runtime.batch_kinds,
            max_attempts=runtime.settings.job_max_attempts,
        )
    for batch_id in sealed:
        logger.info("ingest.batch.sealed", extra={"batch_id": batch_id, "by": "age"})
    return timedelta(0)


def enqueue_missing_lately(runtime: Runtime) -> None:
    """A process that knew no kinds sealed them: a command, or a web process of another version."""
    enqueue_missing(runtime, runtime.batch_kinds, reach=JUST_NOW + runtime.settings.batch_max_age)


def enqueue_missing_ever(runtime: Runtime) -> None:
    """They were sealed before the kind existed, or while no worker ran."""
    enqueue_missing(runtime, runtime.backfilled, reach=runtime.settings.job_keep - SLACK)


def enqueue_missing(runtime: Runtime, kinds: Collection[str], *, reach: timedelta) -> None:
    """Jobs of these kinds for sealed batches that never had one."""
    for kind in kinds:
        priority = runtime.batch_kinds[kind]
        while True:
            with runtime.database.read() as session:
                missing = batches.find_without_job(session, kind=kind, opened_after=clock.now() - reach)
            if not missing:
                break
            with runtime.database.begin() as session:
                count = batches.enqueue_missing(
                    session, missing, kind=kind, priority=priority, max_attempts=runtime.settings.job_max_attempts
                )
            logger.info("ingest.jobs.enqueued", extra={"kind": kind, "batches": count})
            if count < batches.AT_ONCE:
                break


UPKEEP = (
    Upkeep("seal", lambda settings: min(timedelta(seconds=2), settings.batch_max_age), seal_when_due),
    Upkeep("enqueue-lately", lambda _: timedelta(seconds=10), enqueue_missing_lately),
    Upkeep("enqueue-ever", lambda _: timedelta(minutes=10), enqueue_missing_ever),
    Upkeep("visitors", lambda _: timedelta(minutes=10), visitors.forget_older),
)
