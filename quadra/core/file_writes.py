"""Wait until somebody writes to a file, whoever it is: Linux tells (inotify), so that nobody has to look all the time.

A wake-up at rest costs more than what is done in it. Another system tells nothing, and then whoever waits must look.
"""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

IN_MODIFY = 0x2
BUFFER = 64 * 1024


class FileWrites:
    """Of one file, which keeps its place and its inode. For one thread."""

    def __init__(self, path: Path):
        self._watch = _watch(path)
        self._poll = select.poll()
        if self._watch is not None:
            self._poll.register(self._watch, select.POLLIN)

    @property
    def works(self) -> bool:
        """Whether the system tells."""
        return self._watch is not None

    def wait(self, seconds: float) -> bool:
        """Whether somebody wrote since the last call: as soon as somebody does, and after so long at the latest."""
        if not self._poll.poll(seconds * 1000):
            return False
        assert self._watch is not None
        os.read(self._watch, BUFFER)
        return True

    def close(self) -> None:
        if self._watch is not None:
            os.close(self._watch)


def _watch(path: Path) -> int | None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "inotify_init1"):
        return None
    fd = int(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(path), IN_MODIFY) < 0:
        os.close(fd)
        return None
    return fd if fd >= 0 else None
