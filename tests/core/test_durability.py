"""What is kept is on the disk before anybody is told so: the file first, then its name, then the directory of the name.

A power cut cannot be made here, so it is watched what is asked of the kernel, and in which order. After each sync it is asked
whether the disk failed meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quadra.backup import wal_archive
from quadra.backup.stores.packing import packed, unpack
from quadra.backup.stores.stores import DirectoryStore
from quadra.backup.take import take
from quadra.core.durable import sha256_of, write_whole
from quadra.core.settings import Settings, load
from quadra.field import artifact
from quadra.rollout import records
from quadra.rollout.place import Place
from quadra.warehouse.erasure.erase_list import Entry, remember
from quadra.warehouse.segments.store import LocalStore
from tests.backup.test_wal_archive import NAME, segment

CONTENT = b"what must not be lost"


class Kernel:
    """What was asked of it: files and directories synced with their size, and names given."""

    def __init__(self) -> None:
        self._asked: list[tuple[str, int, int]] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            found = os.fstat(descriptor)
            self._asked.append(("sync", found.st_ino, found.st_size))
            sync(descriptor)

        def utime(file: Path | int) -> None:
            self._asked.append(("looked", (os.fstat(file) if isinstance(file, int) else file.stat()).st_ino, 0))

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "utime", utime)
        for name in ("rename", "replace", "link"):
            monkeypatch.setattr(os, name, self._naming(getattr(os, name)))

    def _naming(self, real: Callable[..., None]) -> Callable[..., None]:
        def name(source: Any, target: Any, **options: Any) -> None:
            self._asked.append(("name", Path(source).stat().st_ino, 0))
            real(source, target, **options)

        return name

    def kept(self, path: Path) -> None:
        """The file was synced as it is now, then got its name, then the directory was synced."""
        found = path.stat()
        named = self._last("name", found.st_ino)
        sync = ("sync", found.st_ino, found.st_size)
        whole = [at for at, asked in enumerate(self._asked) if asked == sync]
        assert whole, f"{path.name} was not synced with all its bytes"
        looks = [("looked", found.st_ino, 0)] * 2
        assert self._asked[whole[0] + 1 : whole[0] + 3] == looks, f"the sync of {path.name} was believed"
        if named is not None:
            assert whole[0] < named, f"{path.name} got its name before it was synced"
            self.told(path.parent, after=named)

    def told(self, directory: Path, *, after: int = -1) -> None:
        """The names in the directory were synced."""
        synced = self._last("sync", directory.stat().st_ino)
        assert synced is not None, f"{directory} was not synced"
        assert synced > after, f"{directory} was synced before the name was given"
        looks = [("looked", directory.stat().st_ino, 0)] * 2
        assert self._asked[synced + 1 : synced + 3] == looks, f"the sync of {directory} was believed"

    def published(self, directory: Path) -> None:
        """A directory that got its name as a whole: everything in it before, and the one around it afterwards."""
        named = self._last("name", directory.stat().st_ino)
        assert named is not None
        for path in (*directory.iterdir(), directory):
            synced = self._last("sync", path.stat().st_ino)
            assert synced is not None, f"{path.name} was not synced"
            assert synced < named, f"{path.name} was synced after the name was given"
        self.told(directory.parent, after=named)

    def _last(self, what: str, inode: int) -> int | None:
        return max((at for at, asked in enumerate(self._asked) if asked[:2] == (what, inode)), default=None)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    kernel.watch(monkeypatch)
    return kernel


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(data_dir=tmp_path / "data", database_url=f"sqlite:///{tmp_path / 'quadra.db'}")


def test_a_segment_and_the_directories_that_are_new_with_it(kernel: Kernel, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "segments")
    store.staging("1/2026-03/one.parquet").write_bytes(CONTENT)
    store.publish("1/2026-03/one.parquet")
    kernel.kept(store.local("1/2026-03/one.parquet"))
    for directory in (store.root / "1" / "2026-03", store.root / "1", store.root, tmp_path):
        kernel.told(directory)


def test_the_list_of_erasures(kernel: Kernel, settings: Settings) -> None:
    for number in range(2):
        remember(settings, LocalStore(settings.data_dir / "segments"), Entry("shop", f"u-{number}", number))
        kernel.kept(settings.data_dir / "erasures.ndjson")


def test_a_backup(kernel: Kernel, settings: Settings) -> None:
    (settings.data_dir / "models").mkdir(parents=True)
    (settings.data_dir / "models" / "one.npz").write_bytes(CONTENT)
    made = take(settings, "models")
    kernel.published(DirectoryStore(settings.data_dir / "backups").root / made.id)


def test_a_copy_of_a_backup(kernel: Kernel, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    store = DirectoryStore(tmp_path / "elsewhere")
    store.put("backup/part", source, sha256_of(source))
    store.put_bytes("backup/manifest.json", CONTENT)
    kernel.kept(store.root / "backup" / "part")
    kernel.kept(store.root / "backup" / "manifest.json")


def test_what_a_backup_is_unpacked_to(kernel: Kernel, tmp_path: Path) -> None:
    with packed("database", tmp_path, "dump", "zstd", None, lambda _done: None) as packer:
        packer.write(CONTENT)
    kernel.kept(tmp_path / packer.part.file)
    unpack(tmp_path / packer.part.file, packer.part, None, tmp_path / "plain")
    kernel.kept(tmp_path / "plain")


def test_a_segment_of_postgresqls_log_and_whose_it_is(kernel: Kernel, tmp_path: Path) -> None:
    wal_archive.push(tmp_path / "wal", segment(tmp_path / "source"), NAME)
    kernel.kept(tmp_path / "wal" / f"{NAME}.gz")
    kernel.kept(tmp_path / "wal" / "archive.json")


def test_a_version_of_a_field(kernel: Kernel, tmp_path: Path) -> None:
    said = {name: "" for name, kind in artifact.Manifest.__annotations__.items() if kind == "str"}
    numbers = dict.fromkeys(("version", "cells", "seed", "decay", "iterations", "events", "loss"), 0)
    artifact.write(tmp_path / "models", "one", CONTENT, artifact.Manifest(**{**said, **numbers}))
    kernel.kept(tmp_path / "models" / "one.npz")
    kernel.kept(tmp_path / "models" / "one.json")


def test_the_state_and_the_journal_of_a_rollout(kernel: Kernel, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.make()
    write_whole(place.state, CONTENT)
    kernel.kept(place.state)
    for number in range(2):
        records.note(
            place, deployment=records.Deployment(str(number), "two", "one", "cli", "2026-11-30T00:00:00Z", reason="r")
        )
        kernel.kept(place.journal)
