"""Run handlers on threads: claim what is due, keep the leases alive, write down how each attempt ended.

Three loops: claiming, heartbeats, and on PostgreSQL listening. A thread cannot be ended from outside; a handler that
overstays its time therefore loses its job, and its thread is left to itself.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.jobs import lease as leases
from quadra.jobs.claim import claim, seconds_until_due
from quadra.jobs.errors import LeaseLost, TimedOut
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Claimed
from quadra.jobs.recover import beat, retire
from quadra.jobs.resting import Rests
from quadra.jobs.run import Ended, Run, settle, shared_out, turns
from quadra.jobs.wake import listening

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 0.25
"""Until the next look after all that was due is claimed: of those kinds some may be due in a moment. What comes wakes it."""
RACED_SECONDS = 0.02
"""The pause after other workers took all that was due."""
TROUBLE_SECONDS = 1.0
TOGETHER_MOST = 128
"""Jobs of a kind that are claimed at once. They wait for no other worker for longer than a heartbeat."""
ABANDONED_MOST = 8
"""Threads left to themselves before this worker takes no more jobs: it must be restarted."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Kinds that share threads."""

    kinds: frozenset[str]
    threads: int


class Executor:
    """The claiming worker of a process."""

    def __init__(self, runtime: Runtime, handlers: Mapping[str, Handler]):
        settings = runtime.settings
        self.name = runtime.name
        self._runtime = runtime
        self._database = runtime.database
        self._handlers = handlers
        self.on_ended: list[Callable[[Ended], None]] = []
        """Told of every attempt, on one of the executor's threads."""
        self._kinds = sorted(handlers)
        self._concurrency = settings.job_concurrency
        apart = [kind for kind in self._kinds if handlers[kind].apart]
        shared = [kind for kind in self._kinds if kind not in apart]
        self._lanes = [Lane(frozenset(shared), self._concurrency), *(Lane(frozenset({kind}), 1) for kind in apart)]
        self._lease = settings.job_lease
        self._backoff = settings.job_backoff
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._runs: dict[str, Run] = {}
        self._abandoned: dict[str, Run] = {}
        self._said_unfit = False
        self._rests = Rests()
        self._listener = listening(self._database, runtime.bus, self._wakeup, settings.job_poll)
        self._claiming = threading.Thread(target=self._claim_until_stopped, name="jobs-claim", daemon=True)
        self._beating = threading.Thread(target=self._beat_until_ended, name="jobs-heartbeat", daemon=True)

    @property
    def busy(self) -> bool:
        return bool(self._runs or self._abandoned)

    @property
    def unfit(self) -> bool:
        """Whether so many handlers hang that this process should be replaced."""
        return self._threads_abandoned >= ABANDONED_MOST

    @property
    def _threads_abandoned(self) -> int:
        return len({run.thread for run in tuple(self._abandoned.values())})

    def start(self) -> None:
        if not self._handlers:
            return
        self._database.wakeups.add(self._wakeup)
        self._listener.start()
        self._beating.start()
        self._claiming.start()

    def stop(self, timeout_seconds: float) -> None:
        """Claim no more, let what runs finish within the bound, give the rest back with its attempt."""
        self._stopping.set()
        if not self._claiming.is_alive():
            return
        self._wakeup.set()
        self._claiming.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._runs, timeout_seconds)
            held = list(self._runs.values())
        for run in held:
            self._give_back(run.lease.job)
        self._ended.set()
        self._beating.join()
        self._listener.stop()
        self._database.wakeups.discard(self._wakeup)
        self._try("jobs.worker.not_retired", lambda session: retire(session, worker=self.name))

    def _claim_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._wakeup.clear()  # before looking: what is set from here on is seen by the next look
            try:
                pause = self._claim_what_is_due()
            except Unavailable as error:
                logger.warning("jobs.claim.postponed", extra={"reason": error.message})
                pause = TROUBLE_SECONDS * random.uniform(0.5, 1.5)
            except Exception:
                logger.exception("jobs.claim.failed")
                pause = TROUBLE_SECONDS * random.uniform(2, 5)
            if pause:
                self._wakeup.wait(pause)
                self._stopping.wait(self._rests.pause())

    def _claim_what_is_due(self) -> float:
        """Seconds until the next look."""
        pause = self._listener.seconds
        if self.unfit:
            return pause
        runs = tuple(self._runs.values())
        running = {run.thread: run.lease.job.kind for run in runs}.values()
        # what comes meanwhile is the next lot's: two at a time would get into each other's way
        together = {run.lease.job.kind for run in runs if run.together}
        free = {lane: lane.threads - sum(kind in lane.kinds for kind in running) for lane in self._lanes}
        rest = self._rests.left()
        wanted = {kind for lane in self._lanes if free[lane] > 0 for kind in lane.kinds - together - rest.keys()}
        with self._database.read() as session:
            due = seconds_until_due(session, kinds=wanted)
        for lane in self._lanes:
            if ready := [kind for kind in lane.kinds if due.get(kind) == 0]:
                pause = min(pause, self._claim(ready, free[lane]))
        return min([pause, *rest.values(), *(wait for wait in due.values() if wait)])

    def _claim(self, kinds: Collection[str], free: int) -> float:
        with self._database.begin() as session:
            jobs = claim(session, worker=self.name, kinds=kinds, limit=free, length=self._lease)
            more = len(jobs) == free  # may wait than there are threads
            if more:
                for kind in {job.kind for job in jobs if self._handlers[job.kind].together}:
                    jobs += claim(
                        session, worker=self.name, kinds=[kind], limit=TOGETHER_MOST, length=self._lease, fresh=True
                    )
        for kind, count in Counter(job.kind for job in jobs if self._handlers[job.kind].together).items():
            self._rests.begin(kind, count)
        for some in shared_out(jobs, self._handlers):
            if self._stopping.is_set():
                for job in some:
                    self._give_back(job)
            else:
                self._start([Run(job, self._handlers[job.kind], self._lease) for job in some])
        if more:
            return 0
        return AGAIN_SECONDS if jobs else RACED_SECONDS

    def _start(self, runs: Sequence[Run]) -> None:
        name = f"job-{runs[0].lease.job.kind}"
        thread = threading.Thread(target=self._work, args=(runs,), name=name, daemon=True)
        with self._changed:
            for run in runs:
                run.thread, run.together = thread, len(runs) > 1
                self._runs[run.key] = run
        thread.start()

    def _work(self, runs: Sequence[Run]) -> None:
        try:
            for run in runs if len(runs) == 1 else self._work_together(runs):
                if run.key in self._runs:  # else it was given back, or has taken too long
                    run.begin()
                    self._settle(run, partial(run.work, self._runtime, self._backoff))
                    self._forget([run])
        finally:
            self._forget(runs)
            self._wakeup.set()

    def _work_together(self, runs: Sequence[Run]) -> list[Run]:
        """Those that are left to be done one by one."""
        left: list[Run] = []
        for some, done in turns(self._runtime, runs, self._runs):
            if not done:
                left += some
                continue
            for run in some:
                self._settle(run, partial(run.finish, self._database, together=len(some)))
            self._forget(some)
        return left

    def _forget(self, runs: Iterable[Run]) -> None:
        with self._changed:
            for run in runs:
                self._runs.pop(run.key, None)
                self._abandoned.pop(run.key, None)
            self._changed.notify_all()

    def _settle(self, run: Run, end: Callable[[], Ended]) -> None:
        try:
            ended = end()
            for listener in self.on_ended:
                listener(ended)
        except Exception:  # if the outcome could not be written, the job comes back when its lease runs out
            logger.exception("jobs.job.not_settled", extra={"job_id": run.lease.job.id})

    def _beat_until_ended(self) -> None:
        every = self._lease.total_seconds() / 3
        next_beat = 0.0
        while not self._ended.wait(min(every / 4, 1.0) if next_beat else 0):
            self._abandon_overdue()
            self._notice_cancelled()
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + every
                self._try("jobs.heartbeat.failed", self._beat)

    def _beat(self, session: Session) -> None:
        held = list(self._runs.values())
        beat(
            session,
            worker=self.name,
            kinds=self._kinds,
            concurrency=self._concurrency,
            running=len({run.thread for run in held}),
        )
        for lost in leases.extend(session, [run.lease for run in held]):
            lost.lost.set()

    def _notice_cancelled(self) -> None:
        """Tell handlers that their job was taken away, long before the next heartbeat finds it."""
        if not self._runs:
            return
        try:
            with self._database.read() as session:
                for lost in leases.find_taken(session, [run.lease for run in tuple(self._runs.values())]):
                    lost.lost.set()
        except Unavailable as error:  # the next heartbeat finds it
            logger.warning("jobs.cancelled.not_looked_for", extra={"reason": error.message})

    def _abandon_overdue(self) -> None:
        for run in [run for run in tuple(self._runs.values()) if run.overdue]:
            with self._changed:
                if self._runs.pop(run.key, None) is None:
                    continue  # it ended this moment
                self._abandoned[run.key] = run
                behind = [other for other in self._runs.values() if other.thread is run.thread and other.waits]
                for other in behind:
                    del self._runs[other.key]
                self._changed.notify_all()
            run.lease.lost.set()
            # on a thread of its own: it may have to wait for a transaction of the handler, and the other leases must not
            threading.Thread(target=self._settle_overdue, args=(run, behind), name="jobs-overdue", daemon=True).start()
        self._say_whether_unfit()

    def _say_whether_unfit(self) -> None:
        if self.unfit == self._said_unfit:
            return
        self._said_unfit = not self._said_unfit
        if self._said_unfit:
            logger.critical("jobs.worker.unfit", extra={"abandoned": self._threads_abandoned})
        else:  # enough of them have ended after all
            logger.warning("jobs.worker.fit", extra={"abandoned": self._threads_abandoned})

    def _settle_overdue(self, run: Run, behind: Sequence[Run]) -> None:
        for other in behind:  # of its thread, which hangs
            self._give_back(other.lease.job)
        error = TimedOut(f"The attempt took longer than {run.handler.timeout.total_seconds():g} s.")
        self._settle(run, lambda: settle(self._database, run, error, self._backoff, patience=timedelta()))
        self._wakeup.set()

    def _give_back(self, job: Claimed) -> None:
        self._try("jobs.job.not_released", lambda session: leases.release(session, job))

    def _try(self, message: str, write: Callable[[Session], None]) -> None:
        """Write what comes right by itself when it cannot be written now: leases and heartbeats run out."""
        try:
            with self._database.begin() as session:
                write(session)
        except (Unavailable, LeaseLost) as error:
            logger.warning(message, extra={"reason": error.message})
        except Exception:  # this thread goes on: without it every lease of this worker would run out
            logger.exception(message)
