"""Worker processes that a test starts, kills, halts and stops."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.servers.commands import start_module
from tests.servers.keeper import Keeper
from tests.servers.quadra import OURS
from tests.waiting import until_stopped


class WorkerProcess:
    def __init__(self, keeper: Keeper, url: str, log: Path, *command: str, **settings: str):
        """`command` is what follows `python -m`; without it, the worker with handlers for tests."""
        self.log = log
        own = {"DATABASE_URL": url, "QUADRA_JOB_BACKOFF": "100ms", "QUADRA_JOB_LEASE": "1s"}
        own |= {f"QUADRA_{name.upper()}": value for name, value in settings.items()}
        own |= {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._process = start_module(*(command or ("tests.jobs.worker_process",)), env=own, out=log, err=log)
        self._keeper = keeper
        keeper.tell(f"pid {self.pid}")

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._keeper.tell(f"gone {self.pid}")

    def halt(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        until_stopped(self.pid)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> int | None:
        """SIGTERM; the exit code."""
        self._process.terminate()
        self._process.join(timeout=90)
        self._keeper.tell(f"gone {self.pid}")
        return self._process.exitcode
