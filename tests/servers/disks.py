"""Small disks of their own, for what happens on a full, failing or read-only one. They need root; elsewhere tests are skipped
by name. The keeper unmounts what a killed run leaves.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.keeper import Keeper

LACKING = "A disk of its own cannot be mounted here: that needs root"


class Disk:
    """A file system in memory."""

    def __init__(self, path: Path):
        self.path = path
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
        """Only where nobody has a file of it open for writing."""
        _run("mount", "-o", "remount,ro", self.path)

    def make_writable(self) -> None:
        _run("mount", "-o", "remount,rw", self.path)


@contextmanager
def disk(keeper: Keeper, path: Path, *, megabytes: int = 40, owner: int = 0) -> Iterator[Disk]:
    options = f"size={megabytes}m,mode=0700,uid={owner},gid={owner}"
    with _mounted(keeper, path, "-t", "tmpfs", "-o", options, "tmpfs"):
        yield Disk(path)


class FailingDisk:
    """An ext4 on a device of its own. When it fails the kernel makes it read-only, whoever has files of it open."""

    def __init__(self, path: Path, image: Path):
        self.path = path
        self._image = image

    def fail(self) -> None:
        _run("mount", "-o", "remount,abort", self.path)

    def replace(self) -> None:
        """Check it and mount it anew, as an operator does once nobody uses it."""
        _run("umount", self.path)
        _run("fsck.ext4", "-p", self._image, check=False)  # 1: it has mended something
        _run("mount", *_looped(self._image), self.path)


@contextmanager
def failing_disk(keeper: Keeper, path: Path, *, megabytes: int = 32) -> Iterator[FailingDisk]:
    image = path.with_name(f"{path.name}.img")
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    if _run("mkfs.ext4", "-q", image, check=False):
        pytest.skip("A disk that fails cannot be made here: mkfs.ext4 is missing")
    with _mounted(keeper, path, *_looped(image)):
        yield FailingDisk(path, image)


def _looped(image: Path) -> tuple[str | Path, ...]:
    return "-t", "ext4", "-o", "loop,errors=remount-ro", image


@contextmanager
def _mounted(keeper: Keeper, path: Path, *how: str | Path) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip(LACKING)
    keeper.tell(f"mount {path}")  # first: the run may be killed at any moment
    if _run("mount", *how, path, check=False):
        pytest.skip(LACKING)
    try:
        yield
    finally:
        _run("umount", "--lazy", path, check=False)
        keeper.tell(f"unmounted {path}")


def _run(*words: str | Path, check: bool = True) -> int:
    try:
        return subprocess.run([str(word) for word in words], check=check, capture_output=True, timeout=90).returncode
    except FileNotFoundError:
        if check:
            raise
        return 127
