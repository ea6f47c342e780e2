"""The worker beside `quadra serve`: a process of its own, started, watched and ended by the web process.

Not threads of the web process: analysing and compacting in Python halved the rate of acknowledgements there and took its
memory to several times as much (docs/decisions/0008).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading

from quadra.core.observing import metrics_directory

logger = logging.getLogger(__name__)

RESTART_SECONDS, RESTART_SECONDS_MOST = 1.0, 30.0


class Companion:
    """Keeps one `quadra worker` running until told to stop."""

    def __init__(self, *, stop_seconds: float):
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="companion", daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def stop(self) -> None:
        """Have the worker finish or give back what it holds, and wait for it."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(self._stop_seconds)
            except subprocess.TimeoutExpired:
                logger.warning("worker.companion.killed", extra={"seconds": self._stop_seconds})
                process.kill()
        self._keeper.join(self._stop_seconds)

    def _keep(self) -> None:
        pause = RESTART_SECONDS
        while not self._stopping.is_set():
            # an own session: Ctrl-C in the terminal reaches the web process, which ends this one in its turn
            command = [sys.executable, "-m", "quadra", "worker", "--beside", str(os.getpid())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=metrics_directory.environment_of("worker"),
            )
            if self._stopping.is_set():  # told between the look and the start
                self._process.terminate()
            code = self._process.wait()
            if not self._stopping.is_set():
                logger.error("worker.companion.ended", extra={"code": code, "restart_seconds": pause})
                self._stopping.wait(pause)
                pause = min(pause * 2, RESTART_SECONDS_MOST)
