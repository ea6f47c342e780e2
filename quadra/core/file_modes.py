"""Files that nobody but Quadra's own user may read: the database holds the secret that signs sessions, and everybody's data.

Whatever the umask of the shell or the supervisor was, each door sets its own first (`cli.py`, `web.py`): new files have mode
0600, new directories 0700. What an earlier version or a copy by hand left open to others is mended by each start in DATA_DIR,
which is Quadra's alone; backups that lie elsewhere are only named, since other programs' files may lie beside them.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from quadra.core.settings import Settings

logger = logging.getLogger(__name__)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
SHARED = frozenset(
    Path("/", *name.split("/"))
    for name in (
        *(
            "",
            "bin",
            "boot",
            "dev",
            "etc",
            "home",
            "lib",
            "media",
            "mnt",
            "opt",
            "proc",
            "root",
            "run",
            "sbin",
            "srv",
            "sys",
        ),
        *("tmp", "usr", "usr/local", "var", "var/lib", "var/log", "var/tmp"),
    )
)
"""Directories of the whole machine: closing one of them breaks other programs."""
NAMED = 20
"""How many paths a message names."""


def mend(settings: Settings) -> None:
    """Take away what others may do with the files in DATA_DIR and with the database of SQLite, and say so in the log."""
    count, refused = 0, []
    for path in _open_to_others(_own(settings)):
        try:
            _close(path)
            count += 1
        except OSError:  # of another user, or on a disk that takes no modes
            refused.append(str(path))
    if count:
        logger.warning("files.modes.mended", extra={"count": count, "path": str(settings.data_dir)})
    if refused:
        logger.error("files.modes.not_mended", extra={"count": len(refused), "paths": refused[:NAMED]})


def find_open(settings: Settings) -> list[Path]:
    """The first paths that somebody else may use: those that `mend` closes, and those of backups that lie elsewhere."""
    elsewhere = (settings.backup_dir, settings.backup_secondary_dir)
    roots = [*_own(settings), *(path for path in elsewhere if path and not path.is_relative_to(settings.data_dir))]
    return list(islice(_open_to_others(roots), NAMED))


def find_foreign(settings: Settings) -> list[Path]:
    """The first paths in DATA_DIR of another user than its own: a command that root ran made them, and Quadra cannot use them."""
    root = settings.data_dir
    if _is_shared(root) or not root.is_dir():
        return []
    owner = root.stat().st_uid
    return list(islice((Path(path) for path, found in _walk(root) if found.st_uid != owner), NAMED))


def _own(settings: Settings) -> Iterator[Path]:
    """What belongs to Quadra alone."""
    if not _is_shared(settings.data_dir):
        yield settings.data_dir
    if settings.is_sqlite and (name := sa.make_url(settings.database_url).database):
        yield from (Path(f"{name}{end}") for end in ("", "-wal", "-shm", "-journal"))


def _is_shared(root: Path) -> bool:
    return root in SHARED or (root.is_dir() and bool(root.stat().st_mode & stat.S_ISVTX))


def _open_to_others(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        yield from (Path(path) for path, found in _walk(root) if found.st_mode & OTHERS)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """`root` and all below it: files and directories, no links. What goes away meanwhile is left out."""
    try:
        status = root.lstat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        yield str(root), status
    waiting = [str(root)] if stat.S_ISDIR(status.st_mode) else []
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):
                    yield entry.path, entry.stat(follow_symlinks=False)


def _close(path: Path) -> None:
    """Raises OSError. By its descriptor, so that a link which somebody puts there meanwhile is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~OTHERS)
    finally:
        os.close(descriptor)
