"""The worker: jobs and upkeep on plain threads. `quadra worker` runs it; `quadra serve` starts one beside the web."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import click

from quadra.backup import replica_memory
from quadra.backup.schedule import schedule_of
from quadra.core import clock, file_modes, logs, metrics_server, migrate, settings
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime, build
from quadra.core.settings import Settings
from quadra.health import room as health
from quadra.ingest import batches
from quadra.insights import archive as archiving
from quadra.jobs import metrics, recover, wake
from quadra.jobs.executor import Executor
from quadra.jobs.handlers import Handler, batch_kinds
from quadra.kinds import HANDLERS
from quadra.warehouse import planning, sweeping

logger = logging.getLogger(__name__)

Kinds = Mapping[str, int]
JUST_NOW = timedelta(hours=1)
SLACK = timedelta(hours=1)
"""Between what pruning forgets and where the search for missing jobs begins: clocks differ."""
TURN_SECONDS = 10
"""How long a turn of upkeep may take to end when the worker stops."""


def seal_by_age(runtime: Runtime, kinds: Kinds) -> None:
    max_age = runtime.settings.batch_max_age
    with runtime.database.read() as session:
        if not batches.any_due(session, max_age=max_age):
            return
    with runtime.database.begin() as session:
        sealed = batches.seal_due(
            session, max_age=max_age, job_kinds=kinds, max_attempts=runtime.settings.job_max_attempts
        )
    for batch_id in sealed:
        logger.info("ingest.batch.sealed", extra={"batch_id": batch_id, "by": "age"})


def enqueue_missing(runtime: Runtime, kinds: Kinds, *, reach: timedelta) -> None:
    """Jobs of sealed batches that never had one."""
    for kind, priority in kinds.items():
        while True:
            with runtime.database.read() as session:
                found = batches.find_without_job(session, kind=kind, opened_after=clock.now() - reach)
            if not found:
                break
            with runtime.database.begin() as session:
                count = batches.enqueue_missing(
                    session, found, kind=kind, priority=priority, max_attempts=runtime.settings.job_max_attempts
                )
            logger.info("ingest.jobs.enqueued", extra={"kind": kind, "batches": count})
            if count < batches.AT_ONCE:
                break


def enqueue_missing_lately(runtime: Runtime, kinds: Kinds) -> None:
    enqueue_missing(runtime, kinds, reach=JUST_NOW + runtime.settings.batch_max_age)


def enqueue_missing_ever(runtime: Runtime, kinds: Kinds) -> None:
    enqueue_missing(runtime, kinds, reach=runtime.settings.job_keep - SLACK)


def recover_lost(runtime: Runtime, _kinds: Kinds) -> None:
    """Jobs that dead and stuck workers hold."""
    stuck_after, backoff = runtime.settings.stuck_after, runtime.settings.job_backoff
    with runtime.database.read() as session:
        lost = recover.find_lost(session, stuck_after=stuck_after)
    for job_id in lost:
        with runtime.database.begin() as session:
            done = recover.recover(session, job_id, stuck_after=stuck_after, backoff=backoff)
        if done is not None:
            told = {"job_id": job_id, "state": done.state, "reason": done.reason, "lost_by": done.worker}
            logger.warning("jobs.job.recovered", extra=told)


def prune(runtime: Runtime, _kinds: Kinds) -> None:
    """Jobs that ended long ago, workers that are silent."""
    now = clock.now()
    with runtime.database.begin() as session:
        recover.prune_workers(session, silent_since=now - 3 * runtime.settings.job_lease)
    count = 1
    while count:
        with runtime.database.begin() as session:
            count = recover.prune(session, finished_before=now - runtime.settings.job_keep)


def archive(runtime: Runtime, _kinds: Kinds) -> None:
    """Batches that were analysed long ago and lie in a segment; counts that no insight looks at any more."""
    archived = archiving.AT_ONCE
    while archived == archiving.AT_ONCE:
        with runtime.database.begin() as session:
            archived = archiving.archive_due(session, after=runtime.settings.archive_after)
    with runtime.database.begin() as session:
        archiving.tidy(session)


def plan_warehouse(runtime: Runtime, _kinds: Kinds) -> None:
    planning.plan(runtime)


def sweep_warehouse(runtime: Runtime, _kinds: Kinds) -> None:
    sweeping.sweep(runtime)


def watch_replication(runtime: Runtime, _kinds: Kinds) -> None:
    replica_memory.watch(runtime)


def take_backups(runtime: Runtime, _kinds: Kinds) -> None:
    if runtime.settings.backup_schedule:
        schedule_of(runtime).turn(runtime)


def keep_health(runtime: Runtime, _kinds: Kinds) -> None:
    health.keep_report(runtime)


def observe_itself(runtime: Runtime, _kinds: Kinds) -> None:
    health.observe(runtime)


@dataclass(frozen=True, slots=True)
class Upkeep:
    name: str
    every: Callable[[Settings], timedelta]
    turn: Callable[[Runtime, Kinds], None]


UPKEEP = (
    Upkeep("seal", lambda given: min(timedelta(seconds=2), given.batch_max_age), seal_by_age),
    Upkeep("enqueue-lately", lambda _: timedelta(seconds=10), enqueue_missing_lately),
    Upkeep("enqueue-ever", lambda _: timedelta(minutes=10), enqueue_missing_ever),
    Upkeep("recover", lambda given: given.job_lease / 4, recover_lost),
    Upkeep("prune", lambda given: max(given.job_lease, timedelta(seconds=5)), prune),
    Upkeep("archive", lambda _: timedelta(hours=1), archive),
    Upkeep("warehouse-plan", lambda given: min(timedelta(seconds=15), given.segment_age), plan_warehouse),
    Upkeep("warehouse-sweep", lambda _: timedelta(minutes=10), sweep_warehouse),
    Upkeep("backups", lambda _: timedelta(seconds=30), take_backups),
    Upkeep("watch-replication", lambda _: timedelta(seconds=10), watch_replication),
    Upkeep("health", lambda given: given.health_interval, keep_health),
    Upkeep("observe", lambda _: timedelta(seconds=5), observe_itself),
)


class Worker:
    """The executor of jobs, and every upkeep on a thread of its own. Any number of workers may run."""

    def __init__(self, runtime: Runtime, handlers: Mapping[str, Handler] = HANDLERS):
        self.jobs = Executor(runtime, handlers)
        self.jobs.on_ended.append(metrics.ended)
        self._runtime = runtime
        self._kinds = batch_kinds(handlers)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(upkeep,), name=f"upkeep-{upkeep.name}", daemon=True)
            for upkeep in UPKEEP
        ]

    def start(self) -> None:
        wake.reach_others(self._runtime.database, self._runtime.bus)
        self._runtime.bus.start()
        self.jobs.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing new, finish what is held within JOB_GRACE, give back the rest."""
        self._stop.set()
        self.jobs.stop(self._runtime.settings.job_grace.total_seconds())
        for thread in self._threads:
            thread.join(TURN_SECONDS)
        self._runtime.bus.stop()

    def _run(self, upkeep: Upkeep) -> None:
        every = upkeep.every(self._runtime.settings).total_seconds()
        pause = min(every, 1.0)  # what a dead worker left is looked for right after the start
        while not self._stop.wait(pause * random.uniform(0.8, 1.0)):
            pause = every
            try:
                upkeep.turn(self._runtime, self._kinds)
            except Unavailable as error:
                logger.warning("worker.turn.postponed", extra={"loop": upkeep.name, "reason": error.message})
            except Exception:
                logger.exception("worker.turn.failed", extra={"loop": upkeep.name})


@click.command("worker")
@click.option("--beside", type=int, hidden=True, help="Stop when the process with this id is no longer the parent.")
def worker_command(beside: int | None) -> None:
    """Do jobs and upkeep until told to stop. Any number may run on one database."""
    runtime = build(settings.load())
    logs.set_up(runtime.settings, "worker")
    if beside is None:  # else the process beside it has just done so
        file_modes.mend(runtime.settings)
    migrate.upgrade(runtime.database)
    if runtime.settings.worker_metrics_port and beside is None:  # beside the web, that one shows ours
        metrics_server.start(runtime.settings, runtime.settings.worker_metrics_port)
    fit = run_until_told(Worker(runtime), beside)
    runtime.database.dispose()
    if not fit:
        raise Unavailable("Too many jobs hang in this worker; start another one.")


def run_until_told(worker: Worker, beside: int | None = None) -> bool:
    """Work until SIGTERM or SIGINT, or until the parent process `beside` is gone.

    False when so many handlers hang that this process must be replaced.
    """
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    worker.start()
    logger.info("worker.started", extra={"worker": worker.jobs.name})
    while not told.wait(1.0) and not worker.jobs.unfit and beside in (None, os.getppid()):
        pass
    worker.stop()
    logger.info("worker.stopped", extra={"worker": worker.jobs.name})
    return not worker.jobs.unfit
