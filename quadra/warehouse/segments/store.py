"""Where segments lie. A file appears under its name only when it is whole and on the disk; afterwards it never changes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from quadra.core.durable import sha256_of, sync, sync_directory
from quadra.core.errors import Unavailable

PARTIAL = ".partial"


class Store(Protocol):
    """Named files. All of it blocks; what fails raises `Unavailable`, since a full or missing disk may come back."""

    root: Path
    """The directory below which questions read files on this machine."""

    def staging(self, name: str) -> Path:
        """A local path to write the file to; `publish` gives it its name."""

    def publish(self, name: str) -> tuple[int, str]:
        """Make what was staged durable and visible; its bytes and sha256."""

    def local(self, name: str) -> Path:
        """Where the file can be read on this machine, once it is there."""

    def ready(self, names: Sequence[str]) -> list[Path]:
        """`local` of several at once."""

    def local_if_there(self, name: str) -> Path | None:
        """`local`, without fetching it from where it is kept; None where it has to be."""

    def drop_copy(self, name: str) -> bool:
        """Forget what is on this machine, where that is a copy only. False where there is no other."""

    def digest(self, name: str) -> tuple[int, str]:
        """Bytes and sha256 of what is really kept, read now. Raises `OSError` too, where it is not there or not readable."""

    def remove(self, name: str) -> None:
        """Nothing happens when it is gone already."""

    def away(self, error: Exception) -> Unavailable:
        """What to raise when another library could not write."""

    def older_than(self, seconds: float) -> Iterator[str]:
        """Every file, whole or partial, that was not written to for so long."""

    def note(self, name: str, content: bytes) -> None:
        """Keep something small beside the files, where the directory of this machine is not where they are kept."""

    def notes(self, prefix: str) -> Iterator[bytes]:
        """What was kept under names that begin so."""


class LocalStore:
    """A directory."""

    def __init__(self, root: Path):
        self.root = root

    def staging(self, name: str) -> Path:
        path = self.root / (name + PARTIAL)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _away(error) from error
        return path

    def publish(self, name: str) -> tuple[int, str]:
        staged = self.root / (name + PARTIAL)
        try:
            with staged.open("rb") as file:
                sync(file)
                size, digest = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
            self._name(staged, name)
        except OSError as error:
            raise _away(error) from error
        return size, digest

    def _name(self, staged: Path, name: str) -> None:
        staged.rename(self.root / name)
        # the entries of the new directories too, up to the one that was there before us
        for directory in (staged.parent, *staged.parent.parents):
            sync_directory(directory)
            if directory == self.root.parent:
                break

    def local(self, name: str) -> Path:
        return self.root / name

    def ready(self, names: Sequence[str]) -> list[Path]:
        return [self.local(name) for name in names]

    def local_if_there(self, name: str) -> Path | None:
        return self.local(name)

    def drop_copy(self, name: str) -> bool:
        return False

    def digest(self, name: str) -> tuple[int, str]:
        path = self.root / name
        return path.stat().st_size, sha256_of(path)

    def note(self, name: str, content: bytes) -> None:
        pass  # what is beside the directory is beside the files

    def notes(self, prefix: str) -> Iterator[bytes]:
        yield from ()

    def remove(self, name: str) -> None:
        try:
            (self.root / name).unlink(missing_ok=True)
        except OSError as error:
            raise _away(error) from error

    def away(self, error: Exception) -> Unavailable:
        return Unavailable(f"The segments cannot be written: {error}", retry_after_seconds=60)

    def older_than(self, seconds: float) -> Iterator[str]:
        yield from self._older_than(seconds, "*.parquet*")

    def _older_than(self, seconds: float, pattern: str) -> Iterator[str]:
        before = time.time() - seconds
        for path in sorted(self.root.rglob(pattern)):
            try:
                if path.stat().st_mtime <= before:
                    yield path.relative_to(self.root).as_posix()
            except FileNotFoundError:  # another worker removed it
                continue


def _away(error: OSError) -> Unavailable:
    return Unavailable(f"The segments cannot be written: {error.strerror}: {error.filename}.", retry_after_seconds=60)
