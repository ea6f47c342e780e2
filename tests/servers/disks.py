"""Small disks of their own, for what happens on a full or read-only one. They need root; elsewhere tests are skipped by name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A file system in memory."""

    def __init__(self, path: Path, megabytes: int):
        self.path = path
        self._megabytes = megabytes
        self._ballast = path / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096) == 4096:
                    pass
            except OSError:
                pass

    def empty(self) -> None:
        self._ballast.unlink()

    def make_read_only(self) -> None:
        _run("mount", "-o", "remount,ro", self.path)

    def make_writable(self) -> None:
        _run("mount", "-o", "remount,rw", self.path)


@contextmanager
def disk(path: Path, *, megabytes: int = 40, owner: int = 0) -> Iterator[Disk]:
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700,uid={owner},gid={owner}"
    if os.geteuid() != 0 or _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path, check=False):
        pytest.skip("A disk of its own cannot be mounted here: that needs root")
    try:
        yield Disk(path, megabytes)
    finally:
        _run("umount", "--lazy", path)


def _run(*words: str | Path, check: bool = True) -> int:
    return subprocess.run([str(word) for word in words], check=check, capture_output=True, timeout=30).returncode
