"""Files that a crash leaves whole: what has a name is complete and on the disk."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import IO, Any

FAILED = {errno.EROFS, errno.EIO, errno.ESHUTDOWN}
"""What a file system answers that has given up."""


def write_whole(path: Path, content: bytes) -> None:
    """Make or replace a file: after a crash it holds all of the old content, or all of the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            sync(file)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """A name that was given or taken away is on the disk too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
        require_kept(descriptor)
    finally:
        os.close(descriptor)


def sync(file: IO[Any]) -> None:
    """What was written to an open file is on the disk. Raises `OSError` where it is not."""
    file.flush()
    os.fsync(file.fileno())
    require_kept(file.fileno())


def require_kept(file: int | Path) -> None:
    """Raises `OSError` where the disk failed during the last sync of a file, whatever that sync answered.

    A sync that waits while ext4 gives up may be answered as if all was written (Linux 6.18: in one of six failures). The first
    change of a time after that finds the failure, and says nothing; the second is refused. Both cost 5 microseconds. A file
    system that keeps no times is believed.
    """
    for _ in range(2):
        try:
            os.utime(file)
        except OSError as error:
            if error.errno in FAILED:
                raise


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
