"""The worker: jobs and upkeep on plain threads. `quadra worker` runs it; `quadra serve` starts one beside the web."""

from __future__ import annotations

import logging
import os
import random
import select
import signal
import threading
from collections.abc import Mapping
from enum import Enum, auto

import click

from quadra.alerts import upkeep as alerts
from quadra.analytics import upkeep as analytics
from quadra.backup import upkeep as backup
from quadra.core import file_modes, migrate, renewal, settings
from quadra.core.errors import Unavailable
from quadra.core.observing import logs, metrics_server
from quadra.core.renewal import Renewal
from quadra.core.runtime import Runtime, build
from quadra.core.upkeep import Upkeep
from quadra.health import upkeep as health
from quadra.ingest import upkeep as ingest
from quadra.insights import upkeep as insights
from quadra.job_kinds import handlers_for
from quadra.jobs import metrics, wake
from quadra.jobs import upkeep as jobs
from quadra.jobs.executor import Executor
from quadra.jobs.handlers import Handler, backfilled, batch_kinds
from quadra.sinks import upkeep as sinks
from quadra.sinks.registry import check_addresses, say_what_is_missing
from quadra.warehouse import upkeep as warehouse

logger = logging.getLogger(__name__)

UPKEEP: tuple[Upkeep, ...] = (
    *ingest.UPKEEP,
    *jobs.UPKEEP,
    *insights.UPKEEP,
    *analytics.UPKEEP,
    *warehouse.UPKEEP,
    *sinks.UPKEEP,
    *backup.UPKEEP,
    *health.UPKEEP,
    *alerts.UPKEEP,
)
TURN_SECONDS = 10
"""How long a tick of upkeep may take to end when the worker stops."""


class Worker:
    """The executor of jobs, and every upkeep on a thread of its own. Any number of workers may run."""

    def __init__(self, runtime: Runtime, handlers: Mapping[str, Handler] | None = None):
        handlers = handlers_for(runtime.settings) if handlers is None else handlers
        self.jobs = Executor(runtime, handlers)
        self.jobs.on_ended.append(metrics.ended)
        self._runtime = runtime
        runtime.batch_kinds, runtime.backfilled = batch_kinds(handlers), backfilled(handlers)
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
                upkeep.tick(self._runtime)
            except Unavailable as error:
                logger.warning("worker.tick.postponed", extra={"loop": upkeep.name, "reason": error.message})
            except Exception:
                logger.exception("worker.tick.failed", extra={"loop": upkeep.name})


SIGNALS = (signal.SIGTERM, signal.SIGINT)


class End(Enum):
    TOLD = auto()
    """By a signal, or by the end of the parent."""
    UNFIT = auto()
    """So many handlers hang that this process must be replaced."""
    RESTED = auto()
    """It has memory to give back and nothing to do."""


@click.command("worker")
@click.option("--beside", type=int, hidden=True, help="Stop when the process with this id is no longer the parent.")
@click.option("--again", is_flag=True, hidden=True, help="Started so by a worker that gave its memory back.")
def worker_command(beside: int | None, again: bool) -> None:
    """Do jobs and upkeep until told to stop. Any number may run on one database."""
    runtime = build(settings.load())
    logs.set_up(runtime.settings, "worker")
    give_way(runtime.settings.worker_nice)
    if beside is None:  # else the process beside it has just done so
        file_modes.mend(runtime.settings)
    migrate.upgrade(runtime.database)
    check_addresses(runtime.settings)
    say_what_is_missing(runtime.settings)
    if runtime.settings.worker_metrics_port and beside is None:  # beside the web, that one shows ours
        metrics_server.start(runtime.settings, runtime.settings.worker_metrics_port)
    end = run_until_told(Worker(runtime), beside, Renewal(again=again))
    runtime.close()
    if end is End.RESTED:
        renewal.start_anew(["worker", "--again", *([] if beside is None else ["--beside", str(beside)])])
    if end is End.UNFIT:
        raise Unavailable("Too many jobs hang in this worker; start another one.")


def give_way(niceness: int) -> None:
    """Let processes that people wait for come first. The one that started us may have done more already."""
    try:
        os.nice(max(0, niceness - os.nice(0)))
    except OSError as error:  # some sandboxes forbid it
        logger.warning("worker.nice.refused", extra={"reason": str(error)})


def run_until_told(worker: Worker, beside: int | None = None, rest: Renewal | None = None) -> End:
    """Work until SIGTERM or SIGINT, until the parent process `beside` is gone, or until `rest` is due."""
    # not an event: its lock may be held by the very thread that the handler interrupts
    heard, told = os.pipe()
    for number in SIGNALS:
        signal.signal(number, lambda *_: os.write(told, b"."))
    worker.start()
    logger.info("worker.started", extra={"worker": worker.jobs.name})
    end = None
    while end is None:
        if select.select([heard], [], [], 1.0)[0] or beside not in (None, os.getppid()):
            end = End.TOLD
        elif worker.jobs.unfit:
            end = End.UNFIT
        elif rest is not None and rest.due(busy=worker.jobs.busy):
            end = End.RESTED
    worker.stop()
    if end is End.RESTED:
        for number in SIGNALS:  # from here on one ends this process at once, which holds nothing any more
            signal.signal(number, signal.SIG_DFL)
        if select.select([heard], [], [], 0)[0]:
            end = End.TOLD
    elif worker.jobs.unfit:  # by now
        end = End.UNFIT
    logger.info("worker.stopped", extra={"worker": worker.jobs.name, "end": end.name.lower()})
    return end
