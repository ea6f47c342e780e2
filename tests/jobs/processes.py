"""Worker processes that a test starts, kills, halts and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.keeper import Keeper

ROOT = Path(__file__).resolve().parents[2]


def wait_until(true: Callable[[], bool], seconds: float = 30, every: float = 0.02) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(every)


class WorkerProcess:
    def __init__(self, keeper: Keeper, url: str, log: Path, **settings: str):
        self.log = log
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("QUADRA_", "DATABASE_URL"))}
        own = {"DATABASE_URL": url, "QUADRA_JOB_BACKOFF": "100ms", "QUADRA_JOB_LEASE": "1s"}
        own |= {f"QUADRA_{name.upper()}": value for name, value in settings.items()}
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.jobs.worker_process"],
                cwd=ROOT,
                env=inherited | own,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._keeper = keeper
        keeper.tell(f"pid {self.pid}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._keeper.tell(f"gone {self.pid}")

    def halt(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._keeper.tell(f"gone {self.pid}")
        return code
