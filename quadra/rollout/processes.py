"""Processes that outlive the watcher which started them: found again by pid and birth, ended by their own id alone."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from quadra.core.observing.metrics_directory import DIRECTORY
from quadra.rollout.records import Kept

NOT_SHARED = (DIRECTORY, "QUADRA_WORKER_METRICS_PORT")
LOG_BYTES = 20 * 2**20
"""Beyond which the next start of a process puts its output aside."""


def start(command: list[str], *, log: Path, environment: Mapping[str, str], directory: Path) -> tuple[int, float]:
    """(pid, birth) of a process in a session of its own, so that nothing that ends the watcher ends it."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**inherited(), **environment},
            cwd=directory,
        )
    process.returncode = 0  # nobody waits for this object; `alive` takes the exit code
    return process.pid, psutil.Process(process.pid).create_time()


def inherited() -> dict[str, str]:
    """Our environment without what processes beside each other cannot share: a metrics directory, a port."""
    return {name: value for name, value in os.environ.items() if name not in NOT_SHARED}


def found(kept: Kept) -> psutil.Process | None:
    """The process, where it still runs. One that ended and is our child is taken leave of."""
    with suppress(ChildProcessError):
        os.waitpid(kept.pid, os.WNOHANG)
    try:
        process = psutil.Process(kept.pid)
        if process.create_time() != kept.born or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def alive(kept: Kept) -> bool:
    return found(kept) is not None


def stop(kept: Kept, seconds: float) -> bool:
    """SIGTERM, and SIGKILL for it and its children where that takes longer. False when it had to be killed."""
    process = found(kept)
    if process is None:
        return True
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    until = time.monotonic() + seconds
    while alive(kept):
        if time.monotonic() > until:
            kill(kept)
            return False
        time.sleep(0.05)
    return True


def kill(kept: Kept) -> None:
    process = found(kept)
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        for one in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    until = time.monotonic() + 10
    while alive(kept) and time.monotonic() < until:
        time.sleep(0.05)


def rss_mb(kept: Kept) -> float | None:
    """Of the process with its children; None where it is gone."""
    process = found(kept)
    if process is None:
        return None
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return round(total / 2**20, 1)


def last_line(log: Path) -> str:
    """What a process said last."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else ""
