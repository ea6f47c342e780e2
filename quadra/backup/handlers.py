"""The jobs that the API and the page give to workers: take a backup, verify one. A web process has better things to do."""

from __future__ import annotations

import logging
from datetime import timedelta

from quadra.backup.stores import catalogue as kept_backups
from quadra.core.errors import Invalid, NotFound, QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.jobs.errors import Permanent, Transient
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease

logger = logging.getLogger(__name__)

TAKE, VERIFY = "backup.take", "backup.verify"
LONGEST = timedelta(hours=6)


def take(runtime: Runtime, lease: Lease) -> None:
    """`{kind}`"""
    try:
        made = kept_backups.take(runtime.settings, str(lease.job.args["kind"]))
    except (Invalid, Unavailable):
        raise
    except QuadraError as error:
        raise Transient(error.message) from error
    with runtime.database.begin() as session:
        lease.succeed(session)
    logger.info("backup.backup.taken", extra={"backup": made})


def verify(runtime: Runtime, lease: Lease) -> None:
    """`{backup_id}`. Damage is no passing thing: the job is a dead letter at once, which is seen."""
    name = str(lease.job.args["backup_id"])
    try:
        kept_backups.verify(runtime.settings, name)
    except NotFound as error:
        raise Permanent(error.message) from error
    except Unavailable:
        raise
    except QuadraError as error:
        logger.error("backup.backup.damaged", extra={"backup": name, "reason": error.message})
        raise Permanent(error.message) from error
    with runtime.database.begin() as session:
        lease.succeed(session)
    logger.info("backup.backup.verified", extra={"backup": name})


HANDLERS = {
    TAKE: Handler(take, timeout=LONGEST, priority=5),
    VERIFY: Handler(verify, timeout=LONGEST, priority=5),
}
