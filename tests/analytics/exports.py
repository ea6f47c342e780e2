"""The worker's part of exports, on the thread of a test."""

from __future__ import annotations

from datetime import timedelta

from quadra.analytics.export_files import EXPORT
from quadra.analytics.export_job import HANDLER
from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.jobs.run import Ended, Run

MINUTE = timedelta(minutes=1)


def opened_again(settings: Settings) -> Runtime:
    return Runtime(settings=settings, database=Database(settings.database_url))


def take(runtime: Runtime) -> Run:
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[EXPORT], limit=1, length=MINUTE)
    return Run(job, HANDLER, MINUTE)


def claimed(runtime: Runtime) -> Lease:
    return take(runtime).lease


def work(runtime: Runtime) -> Ended:
    """One attempt, as a worker makes it."""
    return take(runtime).work(runtime, timedelta(0))
