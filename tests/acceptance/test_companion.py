"""The worker beside `quadra serve`: there while the web process is, and no longer."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil

from tests.servers.quadra import QuadraProcess

SECONDS = 120
"""Of a worker that has just been started and first of all imports everything, on a machine that has other work."""


def worker_of(pid: int, besides: int = 0) -> psutil.Process:
    """The worker that process `pid` started, another than `besides`."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for child in psutil.Process(pid).children():
            if child.pid != besides and "worker" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("no worker")


def ends(process: psutil.Process) -> bool:
    try:
        process.wait(SECONDS)
    except psutil.TimeoutExpired:
        return False
    return True


def test_a_worker_that_dies_is_started_again_and_leaves_with_the_web(
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    quadra = quadra_process(cold=True)
    first = worker_of(quadra.pid)
    first.kill()
    second = worker_of(quadra.pid, besides=first.pid)
    assert quadra.terminate() == 0
    assert ends(second)


def test_the_worker_leaves_when_the_web_process_is_killed(quadra_process: Callable[..., QuadraProcess]) -> None:
    quadra = quadra_process(cold=True)
    worker = worker_of(quadra.pid)
    os.kill(quadra.pid, signal.SIGKILL)
    assert ends(worker)
