"""Where the processes of one `quadra serve` keep their metrics together, so that `/metrics` shows the worker's too.

prometheus_client looks for its variable once, when it is imported. So this file imports nothing of it, and `quadra serve`
calls `share` before its other modules are loaded. Only the web process empties the directory; the worker beside it goes on
where the one before it ended.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PROCESS = "QUADRA_METRICS_PROCESS"
"""What a process calls its files. A worker that replaces another one takes its name over, and counters never fall."""
PREFIX = "quadra-metrics-"


def share() -> None:
    """Have this process and those it starts count into one directory, which is empty now."""
    if given := os.environ.get(DIRECTORY):
        empty(Path(given))
        return
    _sweep()
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    atexit.register(shutil.rmtree, os.environ[DIRECTORY], ignore_errors=True)


def empty(directory: Path) -> None:
    """What an earlier start left would be counted as ours."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def directory() -> str | None:
    return os.environ.get(DIRECTORY) or None


def process() -> str:
    return os.environ.get(PROCESS) or str(os.getpid())


def environment_of(name: str) -> Mapping[str, str]:
    """The environment for a child that counts under `name`."""
    return {**os.environ, PROCESS: name}


def _sweep() -> None:
    """Remove what processes left that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        found = re.match(rf"{PREFIX}(\d+)-", left.name)
        if found and not Path(f"/proc/{found[1]}").exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)
