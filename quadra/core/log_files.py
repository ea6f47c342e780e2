"""Log files that rotate, one pair for each process: rotation by several processes in one file loses lines.

A process takes the first free number of its role (`all-web.log`, `all-web-2.log`, …) by a lock that the system drops with
the process, so that names stay the same over restarts and no two processes ever write to one file.
"""

from __future__ import annotations

import fcntl
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings

SLOTS = 100

_held: list[int] = []
"""Open descriptors of the locks of this process."""


def open_files(settings: Settings, directory: Path, role: str) -> list[logging.Handler]:
    """Everything, and errors only. Raises `Misconfigured` where they cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        name = _take_name(directory, role)
        return [
            _handler(directory / f"all-{name}.log", settings, logging.NOTSET),
            _handler(directory / f"errors-{name}.log", settings, logging.ERROR),
        ]
    except OSError as error:
        raise Misconfigured(f"QUADRA_LOGS_DIR={directory}: cannot write there: {error.strerror}.") from error


def _handler(path: Path, settings: Settings, level: int) -> logging.Handler:
    handler = RotatingFileHandler(
        path, maxBytes=settings.log_file_mb * 2**20, backupCount=settings.log_files_kept, encoding="utf-8", delay=False
    )
    handler.setLevel(level)
    return handler


def _take_name(directory: Path, role: str) -> str:
    for number in range(1, SLOTS + 1):
        name = role if number == 1 else f"{role}-{number}"
        lock = os.open(directory / f".{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _held.append(lock)
        return name
    raise Misconfigured(f"QUADRA_LOGS_DIR={directory}: {SLOTS} processes write there already.")
