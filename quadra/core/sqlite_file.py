"""Is the SQLite file that a connection has open still the one at its path?

SQLite does not mind when its file, or the log beside it, is unlinked or replaced: it goes on writing into what nobody will
ever read. So what was acknowledged is compared with the path before and after each transaction; that costs a few
microseconds. The same file put back is good again; another one is not, since this process remembers the old one's content.
"""

from __future__ import annotations

import sqlite3
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, exc

from quadra.core.database_errors import DiskFailed, FileGone
from quadra.core.durable import require_kept

BESIDE = ("", "-wal", "-shm")
INFO = "quadra_files"

Identity = tuple[int, int] | None
"""Device and inode; None where there is nothing."""


def sqlite_url(path: Path) -> str:
    """The URL of a file, whatever characters its path has: in a URL some of them mean something."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


class SqliteFile:
    """The file of one process's database."""

    def __init__(self, path: str):
        self._paths = [Path(path + suffix) for suffix in BESIDE]
        self._first: Identity = None

    def require_before_connect(self) -> None:
        """A new connection may not open, or even make, another file than the older ones have."""
        if self._first is not None and _identity(self._paths[0]) != self._first:
            raise _gone(self._paths[0])

    def opened(self, connection: sqlite3.Connection, info: MutableMapping[Any, Any]) -> None:
        """Note in a new connection's `info` what it has open. SQLite keeps its log and index as long as it is open."""
        connection.execute("PRAGMA schema_version").fetchone()  # only a connection that reads opens them
        found = [_identity(path) for path in self._paths]
        self._first = self._first or found[0]
        info[INFO] = [(path, its) for path, its in zip(self._paths, found, strict=True) if its is not None]

    def closed(self) -> None:
        """Every connection is: whatever lies there next is the file."""
        self._first = None

    def require(self, info: MutableMapping[Any, Any]) -> None:
        """Raises `OperationalError`: what this connection writes is lost."""
        for path, its in info[INFO]:
            if _identity(path) != its:
                raise exc.OperationalError("", None, _gone(path))

    def require_written(self, info: MutableMapping[Any, Any]) -> None:
        """The same after a commit; raises it too where the disk failed meanwhile, though it said that all was written."""
        self.require(info)
        for path, _its in info[INFO][:1]:
            try:
                require_kept(path)
            except OSError as error:
                raise exc.OperationalError("", None, DiskFailed(error)) from error


def _gone(path: Path) -> FileGone:
    what = "was replaced by another file" if path.exists() else "was removed"
    return FileGone(f"{path} {what} while this process has it open; put it back, or restart Quadra")


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
