"""`quadra worker` that kills itself at a step of a delivery: `python -m tests.alerts.killed_worker STEP`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from quadra.alerts.firing import NOTIFY
from quadra.jobs import executor
from quadra.jobs.lease import Lease
from quadra.jobs.run import Run
from quadra.worker import worker_command


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def claim_never(session: Any, *, kinds: Any, **more: Any) -> Any:
    if NOTIFY in kinds:
        die()
    return CLAIM(session, kinds=kinds, **more)


def work_never(run: Run, *given: Any) -> Any:
    if run.lease.job.kind == NOTIFY:
        die()
    return WORK(run, *given)


def succeed_never(lease: Lease, session: Any) -> None:
    if lease.job.kind == NOTIFY:
        die()
    SUCCEED(lease, session)


CLAIM, WORK, SUCCEED = executor.claim, Run.work, Lease.succeed

if __name__ == "__main__":
    if sys.argv[1] == "before the claim":
        executor.claim = claim_never
    elif sys.argv[1] == "before the request":
        Run.work = work_never  # type: ignore[method-assign]
    elif sys.argv[1] == "before the commit":
        Lease.succeed = succeed_never  # type: ignore[method-assign]
    worker_command.main([], standalone_mode=False)
