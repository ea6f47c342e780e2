"""Prove a backup: by its hashes, by reading it, by restoring it into a database that is thrown away again."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from quadra.backup.dumps import databases
from quadra.backup.dumps import sqlite as sqlite_dump
from quadra.backup.stores import damage_place
from quadra.backup.stores.cipher import Key
from quadra.backup.stores.manifest import Damage, Manifest, Verified
from quadra.backup.stores.packing import Tell, check_hash, chunks, unpack
from quadra.backup.stores.segment_copies import fetch
from quadra.backup.stores.stores import DirectoryStore, Kept, Store, Stores
from quadra.backup.stores.tar_files import extract
from quadra.backup.take import dumper_of, key_of, mark_verified, nothing
from quadra.core import clock, migrate
from quadra.core.errors import Misconfigured, NotFound
from quadra.core.settings import Settings

LEVELS = ("hash", "decompress", "restore")


@dataclass
class Report:
    """What a verification found."""

    id: str
    level: str
    ok: bool = True
    rows: int = 0
    events: int = 0
    segments: int = 0
    damage: list[str] = field(default_factory=list)


def verify(settings: Settings, kept: Kept, level: str = "restore", tell: Tell = nothing) -> Report:
    """Check every store's copy up to `level` and note it beside the backup when it is sound. What is wrong is in the report,
    the first of each copy.
    """
    stores, key = Stores(settings), key_for(kept.manifest, settings)
    report = Report(kept.manifest.id, level)
    # the nearest copy is restored; of the others the bytes are compared, which makes them the same
    for number, store in enumerate(kept.stores):
        try:
            with parts_of(Kept(kept.manifest, (store,), None), stores) as directory:
                _check_hashes(kept, store, directory, key, stores.home.root)
                if number == 0 and level != "hash":
                    _check(settings, kept.manifest, directory, key, level, report, tell)
                else:
                    report.rows = report.rows or kept.manifest.rows
        except (Damage, NotFound) as error:
            report.damage.append(error.message)
    try:
        report.segments = _check_segments(settings, kept, key, stores.home.root)
    except Damage as error:
        report.damage.append(error.message)
    if kept.manifest.revision and not migrate.knows(kept.manifest.revision):
        report.damage.append(
            f"{kept.manifest.id} cannot be restored by this version. {migrate.newer(kept.manifest.revision)}"
        )
    report.ok = not report.damage
    if report.ok and not _better(kept.verified, level):
        mark_verified(kept.stores, kept.manifest.id, verified(level, report.rows))
    return report


def _better(kept: Verified | None, level: str) -> bool:
    """Whether more was proved before: that it could be restored stays said when only its bytes are looked at again."""
    return kept is not None and LEVELS.index(kept.level) > LEVELS.index(level)


def verified(level: str, rows: int) -> bytes:
    """What is kept beside a backup that was verified now."""
    return msgspec.json.encode(Verified(clock.now(), level, rows))


def key_for(manifest: Manifest, settings: Settings) -> Key | None:
    """The key that a backup was made with. Raises `Misconfigured` where the settings name none or another one."""
    if not manifest.key_id:
        return None
    key = key_of(settings)
    if key is None:
        raise Misconfigured(f"{manifest.id} is encrypted: set QUADRA_BACKUP_KEY_FILE to the file with its key.")
    if key.id != manifest.key_id:
        raise Misconfigured(
            f"{manifest.id} is encrypted with the key {manifest.key_id}; QUADRA_BACKUP_KEY_FILE holds {key.id}."
        )
    return key


@contextmanager
def parts_of(kept: Kept, stores: Stores) -> Iterator[Path]:
    """A directory with the files of a backup's nearest copy. Raises `NotFound`."""
    store = kept.stores[0]
    if isinstance(store, DirectoryStore):
        yield store.root / kept.manifest.id
        return
    with scratch_directory(stores.home.root) as directory:
        for part in kept.manifest.parts:
            store.get(f"{kept.manifest.id}/{part.file}", directory / part.file)
        yield directory


@contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    root.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=".scratch-", suffix=".part", dir=root))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _check_hashes(kept: Kept, store: Store, directory: Path, key: Key | None, root: Path) -> None:
    """The files of one copy as they lie there. Raises `Damage` that says where, as far as that can be told."""
    for part in kept.manifest.parts:
        path, name = directory / part.file, f"{kept.manifest.id}/{part.file}"
        try:
            check_hash(path, part, f"{store.place}/{name}")
        except Damage as error:
            with scratch_directory(root) as scratch:
                others = [other for other in kept.stores if other is not store]
                where = damage_place.by_copies(path, part.packed_sha256, name, others, scratch)
            raise Damage(error.message + (where or damage_place.by_reading(path, part, key))) from None


def _check(
    settings: Settings, manifest: Manifest, directory: Path, key: Key | None, level: str, report: Report, tell: Tell
) -> None:
    database = manifest.part("database")
    for part in manifest.parts:
        if part is not database or level == "decompress":
            for _ in chunks(directory / part.file, part, key):
                pass
    if database is None or level == "decompress":
        report.rows = manifest.rows
        return
    with scratch_directory(directory.parent) as scratch:
        dump = scratch / "dump"
        unpack(directory / database.file, database, key, dump, tell)
        dumper = dumper_of(settings)
        with dumper.scratch(settings, scratch) as url:
            dumper.load(settings, dump, url)
            report.rows, report.events = check_restored(url, manifest)


def check_restored(url: str, manifest: Manifest) -> tuple[int, int]:
    """A restored database against its manifest: whole, at its revision, with its rows. (rows, events). Raises `Damage`."""
    if url.startswith("sqlite"):
        sqlite_dump.check_integrity(sqlite_dump.file_of(url))
    for connection in databases.connected(url):
        found = databases.revision(connection)
        if found != manifest.revision:
            raise Damage(f"{manifest.id}: the restored schema is {found or 'none'}, should be {manifest.revision}.")
        rows = databases.counts(connection)
        for table, count in manifest.counts.items():
            have = rows.get(table, -1)
            if have != count and (manifest.counts_exact or have < 0):
                raise Damage(f"{manifest.id}: the restored table {table} has {have} rows, should have {count}.")
        segments = databases.segments(connection)
        if manifest.counts_exact and len(segments) != len(manifest.segments):
            raise Damage(f"{manifest.id}: {len(segments)} segments are listed, should be {len(manifest.segments)}.")
        return sum(rows.values()), databases.events(connection, segments)
    raise AssertionError("a connection is one")


def _check_segments(settings: Settings, kept: Kept, key: Key | None, root: Path) -> int:
    """Each segment of the backup can be fetched whole from each store that has the backup. Raises `Damage` that says where."""
    for store in kept.stores:
        with scratch_directory(root) as scratch:
            for segment in kept.manifest.segments:
                try:
                    fetch([store], segment, key, scratch / "segment")
                except NotFound:
                    others = [other for other in kept.stores if other is not store]
                    where = damage_place.of_segment(settings, store, segment, others, scratch)
                    said = f"{store.place} has no sound copy of segment {segment.path} ({segment.sha256})."
                    raise Damage(said + where) from None
    return len(kept.manifest.segments)


def unpack_models(directory: Path, manifest: Manifest, key: Key | None, to: Path, scratch: Path) -> int:
    """The artifacts of the models into a directory; how many. What is there is overwritten."""
    part = manifest.part("models")
    if part is None:
        return 0
    unpack(directory / part.file, part, key, scratch / "models.tar")
    to.mkdir(parents=True, exist_ok=True)
    with tarfile.open(scratch / "models.tar") as tar:
        members = tar.getmembers()
        for member in members:
            extract(tar, member, to)
    return len(members)
