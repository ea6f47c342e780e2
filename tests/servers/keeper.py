"""A small process that outlives the test run by a moment: when the run ends in whatever way, also by SIGKILL, it ends
every server that is still there, unmounts their disks and removes their directories.

It learns what to end over its standard input, one line each (`pid N`, `gone N`, `directory PATH`, `mount PATH`,
`unmounted PATH`), and acts when that input closes, which the kernel does for a killed process too. It must never end
anything it was not told of.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil


class Keeper:
    """The run's end of the pipe."""

    def __init__(self) -> None:
        # an own session: Ctrl-C in the terminal must reach the tests, not the keeper
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def tree(pid: int) -> list[psutil.Process]:
    """A process and everything below it, the process first. Empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and everything below it; the parent is halted first so that it starts nothing meanwhile.
    Returns when all of them are gone: a shared memory block or a port that is still held would fail the next start.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).suspend()
    processes = tree(pid)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    end = time.monotonic() + 60
    while any(alive(process) for process in processes) and time.monotonic() < end:
        time.sleep(0.01)


def alive(process: psutil.Process) -> bool:
    """A zombie holds no memory, file or port any more, and may stay one where process 1 does not reap."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def watch() -> None:
    born: dict[int, float] = {}  # pid -> when it was created: a pid alone may name another process later
    directories: list[Path] = []
    mounts: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "directory":
            directories.append(Path(rest))
        elif word == "mount":
            mounts.append(rest)
        elif word == "unmounted":
            mounts.remove(rest)
        elif word == "gone":
            born.pop(int(rest), None)
        elif word == "pid":
            with contextlib.suppress(psutil.NoSuchProcess):
                born[int(rest)] = psutil.Process(int(rest)).create_time()
    for pid, created in born.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).create_time() == created:
                kill_tree(pid)
    for path in mounts:  # before what lies around them is removed
        subprocess.run(["umount", "--lazy", path], check=False, stderr=subprocess.DEVNULL)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    watch()
