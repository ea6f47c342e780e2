"""Runs the checks: all at the same time, each on a thread of its own that nobody waits for longer than it may take."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.health.context import CheckContext
from quadra.health.verdict import WORSE, Check, Checked, Found, Report, unhealthy

logger = logging.getLogger(__name__)

FRESH_SECONDS = 3.0
"""How long a report serves: many may ask at once, and a check that writes must not be a way to wear the disk out."""


class Runner:
    """The checks of one process. Every method blocks and is safe from any thread."""

    def __init__(self, context: CheckContext, checks: Sequence[Check]):
        self.context = context
        self._checks = checks
        self._lock = threading.Lock()
        self._latest: tuple[float, Report] | None = None
        self._kept: dict[str, tuple[float, Checked | None]] = {}
        self._running: dict[str, tuple[threading.Thread, float]] = {}

    def report(self, *, max_age_seconds: float = FRESH_SECONDS) -> Report:
        """How everything is; the last report where it is no older. Who asks meanwhile gets the same one."""
        with self._lock:
            if self._latest is not None and time.monotonic() - self._latest[0] < max_age_seconds:
                return self._latest[1]
            report = self._look()
            self._latest = time.monotonic(), report
            return report

    def _look(self) -> Report:
        at = clock.now()
        running = [self._start(check) for check in self._checks]
        found = [one.result() for one in running]
        return Report(at, tuple(one for one in found if one is not None))

    def _start(self, check: Check) -> _Running:
        kept_at, kept = self._kept.get(check.name, (0.0, None))
        if check.keep_seconds and kept_at and time.monotonic() - kept_at < check.keep_seconds:
            return _Running(check, self, kept=kept, known=True)
        hanging, since = self._running.get(check.name, (None, 0.0))
        if hanging is not None and hanging.is_alive():
            # not a second one: threads that hang must not pile up
            seconds = time.monotonic() - since
            return _Running(check, self, kept=_late(check, seconds), known=True)
        started = _Running(check, self)
        self._running[check.name] = started.start(), time.monotonic()
        return started

    def keep(self, check: Check, checked: Checked | None) -> None:
        if check.keep_seconds:
            self._kept[check.name] = time.monotonic(), checked


class _Running:
    """One check under way, or an answer that is known already."""

    def __init__(self, check: Check, runner: Runner, *, kept: Checked | None = None, known: bool = False):
        self._check = check
        self._runner = runner
        self._known = known
        self._checked = kept
        self._ended = threading.Event()
        self._began = time.monotonic()

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name=f"check-{self._check.name}", daemon=True)
        thread.start()
        return thread

    def result(self) -> Checked | None:
        if self._known:
            return self._checked
        if not self._ended.wait(max(0.0, self._began + self._check.seconds - time.monotonic())):
            return _late(self._check, time.monotonic() - self._began)
        return self._checked

    def _run(self) -> None:
        found = _look(self._check, self._runner.context)
        took = round((time.monotonic() - self._began) * 1000, 2)
        self._checked = None if found is None else _checked(self._check, found, took)
        self._runner.keep(self._check, self._checked)
        self._ended.set()


def _look(check: Check, context: CheckContext) -> Found | None:
    try:
        return check.run(context)
    except QuadraError as error:
        return unhealthy(error.message)
    except SQLAlchemyError as error:
        return unhealthy(f"The database says: {str(getattr(error, 'orig', None) or error).strip().splitlines()[0]}")
    except Exception as error:  # a check that is broken is no reason to have no report
        logger.exception("health.check.failed", extra={"check": check.name})
        return unhealthy(f"The check itself failed ({type(error).__name__}); the log says how.")


def _checked(check: Check, found: Found, duration_ms: float) -> Checked:
    if WORSE.index(found.status) > WORSE.index(check.worst):
        found = Found(check.worst, found.message, found.details)
    return Checked(check.name, check.part, found, duration_ms)


def _late(check: Check, seconds: float) -> Checked:
    return _checked(check, unhealthy(f"No answer within {check.seconds:g} s."), round(seconds * 1000, 2))
