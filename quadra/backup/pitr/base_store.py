"""Where base backups lie: `BACKUP_DIR/base/<id>/`, one compressed tar and a manifest.

A backup is written under a hidden name and gets its own by one rename, when all of it is on the disk: whatever has a name
is whole.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, cast

import msgspec

from quadra import __version__
from quadra.backup import wal_archive
from quadra.backup.pitr import base_backup, wal_chain
from quadra.backup.pitr.base_backup import BaseFacts
from quadra.backup.pitr.plan import Base
from quadra.backup.pitr.wal_chain import lsn
from quadra.backup.stores.manifest import Damage
from quadra.backup.stores.packing import CHUNK, Hashed
from quadra.backup.take import one_at_a_time
from quadra.core import clock
from quadra.core.durable import sha256_of, sync, sync_directory
from quadra.core.errors import NotFound
from quadra.core.settings import Settings
from quadra.core.typed import Typed

TAR, MANIFEST, VERIFIED = "base.tar.gz", "manifest.json", "verified"


class Manifest(msgspec.Struct, frozen=True):
    id: str
    kind: str
    created_at: datetime
    bytes: int
    sha256: str
    facts: BaseFacts
    version: str


_manifests = Typed(Manifest)


def directory(settings: Settings) -> Path:
    return settings.backup_dir / "base" if settings.backup_dir else settings.data_dir / "backups" / "base"


def take(settings: Settings, on_bytes: Callable[[int, int], object]) -> tuple[Manifest, Path]:
    """Take one and publish it. Raises `Busy`, and what `base_backup.take` raises; nothing is published then."""
    with one_at_a_time(directory(settings)):
        return _take(settings, on_bytes)


def _take(settings: Settings, on_bytes: Callable[[int, int], object]) -> tuple[Manifest, Path]:
    created_at = clock.now()
    home = directory(settings)
    name = f"base-{created_at:%Y%m%dT%H%M%S}.{created_at.microsecond // 1000:03d}Z"
    part = home / f".{name}.part"
    part.mkdir()
    try:
        with (part / TAR).open("wb") as file:
            out = Hashed(file)
            with gzip.GzipFile(
                filename="", mode="wb", compresslevel=1, fileobj=cast(IO[bytes], out), mtime=0
            ) as packed:
                facts = base_backup.take(settings, packed.write, on_bytes)
            sync(file)
        manifest = Manifest(name, "base", created_at, out.bytes, out.sha256.hexdigest(), facts, __version__)
        with (part / MANIFEST).open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest)))
            sync(file)
        sync_directory(part)
        part.rename(home / name)
        sync_directory(home)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest, home / name


def look(settings: Settings) -> tuple[list[Manifest], list[str]]:
    """Those that are whole, as far as their sizes tell, oldest first; and what is wrong with the others."""
    whole: list[Manifest] = []
    damaged: list[str] = []
    for path in directory(settings).glob(f"base-*/{MANIFEST}"):
        try:
            manifest = _manifests.decode(path.read_bytes())
            size = path.with_name(TAR).stat().st_size
        except msgspec.DecodeError as error:
            damaged.append(f"{path} is damaged: {error}")
        except OSError as error:  # removed meanwhile, or its tar is gone
            damaged += [f"{path.parent} cannot be read: {error.strerror}: {error.filename}"] if path.exists() else []
        else:
            if size == manifest.bytes:
                whole.append(manifest)
            else:
                damaged.append(f"{path.with_name(TAR)} has {size} bytes, should have {manifest.bytes}.")
    return sorted(whole, key=lambda manifest: manifest.facts.finished_at), damaged


def manifests(settings: Settings) -> list[Manifest]:
    """Those that are whole, oldest first."""
    return look(settings)[0]


def bases(settings: Settings) -> list[Base]:
    """As point-in-time recovery needs them."""

    def opener(name: str) -> Callable[[], IO[bytes]]:
        return lambda: cast(IO[bytes], gzip.open(directory(settings) / name / TAR))

    return [Base(manifest.id, manifest.facts, opener(manifest.id)) for manifest in manifests(settings)]


def verify(settings: Settings, name: str) -> Manifest:
    """Read it all: its hash, and that it unpacks. Raises `NotFound` or `Damage`."""
    every, damaged = look(settings)
    manifest = next((each for each in every if each.id == name), None)
    if manifest is None:
        if why := [said for said in damaged if name in said]:
            raise Damage(why[0])
        raise NotFound(f"There is no base backup {name!r}.")
    path = directory(settings) / name / TAR
    if sha256_of(path) != manifest.sha256:
        raise Damage(f"{path} has another hash than its manifest says: it was changed after it was written.")
    try:
        with gzip.open(path) as packed:
            while packed.read(CHUNK):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise Damage(f"{path} cannot be unpacked: {error}") from error
    (directory(settings) / name / VERIFIED).write_text(clock.iso(clock.now()))
    return manifest


def verified_at(settings: Settings, name: str) -> str | None:
    """When it was last found sound; None where it never was."""
    try:
        return (directory(settings) / name / VERIFIED).read_text()
    except FileNotFoundError:
        return None


def is_due(settings: Settings, slot: datetime) -> bool:
    """Whether none was taken since `slot`. Without any the log is of no use, so the first one is due at once."""
    return not any(each.created_at >= slot for each in manifests(settings))


def newest_unproven(settings: Settings) -> Manifest | None:
    """The newest, unless it was read to its end already."""
    newest = max(manifests(settings), key=lambda each: each.created_at, default=None)
    return newest if newest and verified_at(settings, newest.id) is None else None


def prune(settings: Settings, archive: Path, *, keep: int, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove all but the newest `keep` base backups, and the WAL that only the removed ones needed: (backups, segments).

    The newest that was verified stays whatever its age. WAL older than the oldest backup that stays can be replayed onto
    nothing. Nothing goes while there is no backup. Raises `Busy`.
    """
    with one_at_a_time(directory(settings)):
        return _prune(settings, archive, keep, dry_run)


def _prune(settings: Settings, archive: Path, keep: int, dry_run: bool) -> tuple[list[str], list[str]]:
    every = manifests(settings)
    proven = [each for each in every if verified_at(settings, each.id)]
    stay = [each for each in every if each in every[-keep:] or each in proven[-1:]]
    gone = [each for each in every if each not in stay]
    known = wal_archive.identity(archive)
    segments: list[str] = []
    if stay and known is not None:
        size = known["segment_bytes"]
        oldest = min(stay, key=lambda manifest: lsn(manifest.facts.start_lsn))
        first = lsn(oldest.facts.start_lsn) // size
        segments = [name for name in wal_chain.archived(archive) if wal_chain.parse(name, size).number < first]
    if not dry_run:
        for manifest in gone:
            # its manifest first: a half removed backup is not listed
            (directory(settings) / manifest.id / MANIFEST).unlink()
            shutil.rmtree(directory(settings) / manifest.id)
        for name in segments:
            (archive / f"{name}.gz").unlink()
        for left in directory(settings).glob(".base-*.part"):  # of a run that was killed
            if clock.now().timestamp() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)
    return [manifest.id for manifest in gone], segments
