"""Worker processes that a test starts, kills, halts and stops.

They are forked from a server process that has imported Quadra once: the import costs more than most of what they then do.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.keeper import Keeper

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.jobs.worker_process"])


def wait_until(true: Callable[[], bool], seconds: float = 30, every: float = 0.02) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(every)


def run(command: tuple[str, ...], settings: dict[str, str], log: str) -> None:
    """What the new process does: `python -m <command>` with these settings, its output in a file."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    for name in [name for name in os.environ if name.startswith(("QUADRA_", "DATABASE_URL"))]:
        del os.environ[name]
    os.environ.update(settings)
    os.setsid()
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


class WorkerProcess:
    def __init__(self, keeper: Keeper, url: str, log: Path, *command: str, **settings: str):
        """`command` is what follows `python -m`; without it, the worker with handlers for tests."""
        self.log = log
        own = {"DATABASE_URL": url, "QUADRA_JOB_BACKOFF": "100ms", "QUADRA_JOB_LEASE": "1s"}
        own |= {f"QUADRA_{name.upper()}": value for name, value in settings.items()}
        self._process = CONTEXT.Process(target=run, args=(command or ("tests.jobs.worker_process",), own, str(log)))
        self._process.start()
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

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> int | None:
        """SIGTERM; the exit code."""
        self._process.terminate()
        self._process.join(timeout=30)
        self._keeper.tell(f"gone {self.pid}")
        return self._process.exitcode
