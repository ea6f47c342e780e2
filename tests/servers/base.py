"""What every real server shares: a free port, a directory of its own, and the ways to end, freeze and revive it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar

import psutil

from tests.servers.available import WHEELS
from tests.servers.keeper import Keeper, kill_tree, tree
from tests.servers.nursery import Forked
from tests.waiting import PATIENCE_SECONDS, until_stopped

NOBODY = 65534
Mount = Callable[[Path, int], object]
"""Puts an empty disk at a path, owned by that user."""
CRASHES = frozenset(-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(ABC):
    """One server process. `start` may be called again after `stop` or `kill`: port and data stay."""

    name: ClassVar[str]
    as_nobody: ClassVar[bool] = True  # when the tests run as root
    start_seconds: ClassVar[float] = 120

    def __init__(self, keeper: Keeper):
        self._keeper = keeper
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._numbers = itertools.count(1)
        # short: a Unix socket's path may have some hundred bytes; not tmp_path: as root, only root may enter that
        self.directory = Path(tempfile.mkdtemp(prefix="quadra-test-"))
        keeper.tell(f"directory {self.directory}")
        self._own(self.directory)
        self.log_file = self.directory / "log"
        self.port = free_port()
        try:
            self._create()
            self._first_start()
        except BaseException:
            self.close()
            raise

    def _first_start(self) -> None:
        """Between our asking for a free port and the server's taking it, another process may have had it."""
        for _ in range(3):
            try:
                return self.start()
            except AssertionError:
                if "in use" not in self.log():
                    raise
                self.port = free_port()
                self.log_file.unlink()
        return self.start()

    @abstractmethod
    def _create(self) -> None:
        """Fill the directory, once."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _probe(self) -> None:
        """Return when the server answers, raise when it does not."""

    def start(self) -> None:
        """Start on the same port and data, and wait until it answers."""
        assert not self.running, f"{self.name} is running already"
        with self.log_file.open("ab") as log:
            self._own(self.log_file)
            self._process = self._spawn(log)
        self._keeper.tell(f"pid {self._process.pid}")
        end = time.monotonic() + self.start_seconds
        while True:
            try:
                self._probe()
                assert self._process.poll() is None, "it ended, and another server answers on its port"
                return
            except Exception as reason:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise AssertionError(f"{self.name} did not start: {reason}\n{self.log()[-3000:]}") from reason
            time.sleep(0.05)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes] | Forked:
        return subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C is for the tests; they end their servers
            **self._demotion(),
        )

    def stop(self) -> None:
        """Ask it to end, as an operator would, and wait."""
        if not self.running:
            return
        self.resume()
        self._ask_to_end()
        try:
            self._process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.name} did not stop within {PATIENCE_SECONDS:.0f} s\n{self.log()[-3000:]}"
            ) from None
        self._forget()

    def kill(self) -> None:
        """SIGKILL for every process of it: what a power cut or the kernel's out-of-memory killer does."""
        if self._process is None:
            return
        kill_tree(self._process.pid)
        self._process.wait()
        self._forget()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers any more."""
        for process in tree(self._process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in tree(self._process.pid):
            until_stopped(process.pid)

    def resume(self) -> None:
        """SIGCONT, children first: the parent should not find them still frozen."""
        for process in reversed(tree(self._process.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def ensure_running(self) -> None:
        """Undo what an earlier test did to it."""
        if self.running:
            self.resume()
        else:
            self.start()

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def close(self) -> None:
        """The end: nothing of it is left. Fails the test when the server had crashed, with what it said last."""
        code, said = self._process and self._process.poll(), self.log()[-8000:]
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        assert code not in CRASHES, f"{self.name} crashed ({signal.Signals(-code).name})\n{said}"

    def _ask_to_end(self) -> None:
        self._process.terminate()

    def _forget(self) -> None:
        self._keeper.tell(f"gone {self._process.pid}")
        self._process = None

    def _environment(self) -> dict[str, str]:
        """Nothing of the developer's environment: PGHOST or a locale would change what the tests see."""
        return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "HOME": str(self.directory), "TZ": "UTC"}

    def _run(self, *command: str | Path) -> None:
        """One command of the server's own tools, as the server's user, its output in the log."""
        with self.log_file.open("ab") as log:
            self._own(self.log_file)
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self._environment(),
                timeout=120,
                **self._demotion(),
            )
        assert done.returncode == 0, f"{command[0]} failed\n{self.log()[-3000:]}"

    def _demotion(self) -> dict[str, Any]:
        """Arguments for Popen: PostgreSQL and MariaDB refuse to run as root."""
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self._demoted else {}

    @property
    def _demoted(self) -> bool:
        return self.as_nobody and os.geteuid() == 0

    def _own(self, path: Path) -> None:
        if self._demoted:
            os.chown(path, NOBODY, NOBODY)

    def _reachable(self, programs: Path) -> Path:
        """The same programs where nobody may run them: wheels may lie under root's home, so they are copied out of it.

        All of them: their programs find their libraries by the way from one directory to the other.
        """
        if not self._demoted or not programs.is_relative_to(WHEELS):
            return programs
        target = self.directory / "wheels"
        shutil.copytree(WHEELS, target)
        for path in (target, *target.rglob("*")):
            self._own(path)
        return target / programs.relative_to(WHEELS)
