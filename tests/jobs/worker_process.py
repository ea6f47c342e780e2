"""A worker in a process of its own, like `quadra worker`, with handlers for tests: `python -m tests.jobs.worker_process`.

Each attempt first notes that it started, in a transaction of its own, so that the tests see attempts that were cut off.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from quadra.core import settings
from quadra.core.errors import Unavailable
from quadra.core.observing import logs
from quadra.core.runtime import Runtime, build
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease
from quadra.worker import End, Worker, run_until_told
from tests.jobs.effects import effects


def note(runtime: Runtime, lease: Lease, what: str) -> None:
    with runtime.database.begin() as session:
        session.execute(sa.insert(effects).values(job_id=lease.job.id, what=what))


def insert(runtime: Runtime, lease: Lease) -> None:
    """The effect and the end of the job, together."""
    note(runtime, lease, "started")
    args = lease.job.args
    if not Path(args.get("unless", "/nothing")).exists():
        time.sleep(args.get("seconds", 0))
    while not Path(args.get("until", "/")).exists():
        time.sleep(0.02)
    with runtime.database.begin() as session:
        lease.succeed(session)
        session.execute(sa.insert(effects).values(job_id=lease.job.id, what="done"))


def poison(runtime: Runtime, lease: Lease) -> None:
    """What a batch does that makes its worker run out of memory."""
    note(runtime, lease, "started")
    os.kill(os.getpid(), signal.SIGKILL)


def unavailable(runtime: Runtime, lease: Lease) -> None:
    note(runtime, lease, "started")
    raise Unavailable("The breaker is open.", retry_after_seconds=1)


HANDLERS = {
    "insert": Handler(insert, every_batch=True, backfill=True),
    "poison": Handler(poison),
    "unavailable": Handler(unavailable),
}


def main() -> int:
    runtime = build(settings.load())
    logs.set_up(runtime.settings)
    end = run_until_told(Worker(runtime, HANDLERS))
    runtime.database.dispose()
    logging.shutdown()
    return 1 if end is End.UNFIT else 0


if __name__ == "__main__":
    sys.exit(main())
