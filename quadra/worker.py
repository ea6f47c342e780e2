"""The worker: loops on plain threads. `quadra worker` runs them alone, `quadra serve` beside the web."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.ingest import batches

logger = logging.getLogger(__name__)


def seal_by_age(runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        sealed = batches.seal_due(session, max_age=runtime.settings.batch_max_age, job_kinds=(), max_attempts=5)
    for batch_id in sealed:
        logger.info("ingest.batch.sealed", extra={"batch_id": batch_id, "by": "age"})


LOOPS: tuple[tuple[str, float, Callable[[Runtime], None]], ...] = (("seal", 2.0, seal_by_age),)
"""name, seconds between turns, one turn"""


class Worker:
    """All loops, each on its thread."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for name, seconds, turn in LOOPS:
            thread = threading.Thread(target=self._run, args=(name, seconds, turn), name=f"worker-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_seconds: float = 10) -> None:
        """Finish the turns that run, start no new ones."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _run(self, name: str, seconds: float, turn: Callable[[Runtime], None]) -> None:
        while not self._stop.wait(seconds):
            try:
                turn(self._runtime)
            except Unavailable as error:
                logger.warning("worker.turn.postponed", extra={"loop": name, "reason": error.message})
            except Exception:
                logger.exception("worker.turn.failed", extra={"loop": name})
