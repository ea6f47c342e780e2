"""Log files that rotate, one pair for each process: rotation by several processes in one file loses lines.

A process takes the first free number of its role (`all-web.log`, `all-web-2.log`, …) by a lock that the system drops with
the process, so that names stay the same over restarts and no two processes ever write to one file. A directory outside of
DATA_DIR is there for a program that ships logs: its files are readable by their group, and by nobody else.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings

SLOTS = 100
ALSO = {"quadra_matrix.json.log": "all-web.log", "quadra_matrix_error.json.log": "errors-web.log"}
"""Names that shippers of other systems look for -> the files of the first web process."""

_held: list[int] = []
"""Open descriptors of the locks of this process."""


def open_files(settings: Settings, directory: Path, role: str) -> list[logging.Handler]:
    """Everything, and errors only. Raises `Misconfigured` where they cannot be written."""
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            directory.chmod(0o700 if _is_inside(directory, settings) else 0o750)
        name = _take_name(directory, role)
        if name == "web":
            for other, ours in ALSO.items():
                _link(directory / other, ours)
        return [
            _handler(directory / f"all-{name}.log", settings, logging.NOTSET),
            _handler(directory / f"errors-{name}.log", settings, logging.ERROR),
        ]
    except OSError as error:
        raise Misconfigured(f"QUADRA_LOGS_DIR={directory}: cannot write there: {error.strerror}.") from error


def own_files(directory: Path) -> list[Path]:
    """The files that are written here, older ones too."""
    found = (path for kind in ("all-*.log*", "errors-*.log*") for path in directory.glob(kind))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _link(path: Path, ours: str) -> None:
    """A file of that name is somebody's own, and stays."""
    with suppress(FileExistsError):
        path.symlink_to(ours)


class _File(RotatingFileHandler):
    mode_of_files = 0o600

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        with suppress(PermissionError):  # an older file of another user, who let us write to it
            os.fchmod(stream.fileno(), self.mode_of_files)
        return stream


class _SharedFile(_File):
    mode_of_files = 0o640


def _handler(path: Path, settings: Settings, level: int) -> logging.Handler:
    kind = _File if _is_inside(path, settings) else _SharedFile
    handler = kind(
        path, maxBytes=settings.log_file_mb * 2**20, backupCount=settings.log_files_kept, encoding="utf-8", delay=False
    )
    handler.setLevel(level)
    return handler


def _is_inside(path: Path, settings: Settings) -> bool:
    return path.absolute().is_relative_to(settings.data_dir)


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
