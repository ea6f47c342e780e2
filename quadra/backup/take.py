"""Make a backup: a dump and what belongs to it, written aside, its manifest last, published by one rename, copied on.

A process that dies leaves a hidden directory that nobody lists and the next backup removes.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from quadra import __version__
from quadra.backup.beside import recent_logs, settings_text, tar_files
from quadra.backup.dumps.databases import Dumper, Facts
from quadra.backup.dumps.mariadb import MariadbDumper
from quadra.backup.dumps.postgres import PostgresDumper
from quadra.backup.dumps.sqlite import SqliteDumper
from quadra.backup.stores.cipher import Key
from quadra.backup.stores.manifest import KINDS, MANIFEST, SUMS, VERIFIED, Manifest, Part, new_id
from quadra.backup.stores.packing import Tell, packed
from quadra.backup.stores.segment_copies import keep_segments
from quadra.backup.stores.stores import Store, Stores, unavailable
from quadra.core import clock
from quadra.core.database_errors import NO_TABLES
from quadra.core.durable import sync, sync_directory
from quadra.core.errors import Conflict, Invalid, Unavailable
from quadra.core.settings import Settings
from quadra.warehouse.erasure import erase_list as erasure_list

PART = ".part"
ROOM = 1.1
"""Free space that a backup wants, against the size of what it copies: compressed it takes less, before that more."""


def nothing(_size: int) -> None:
    """For who does not want to be told."""


@dataclass(frozen=True)
class Progress:
    """What is told while a backup is made; each is called with what is done and, first, with how much there is."""

    whole: Callable[[int], object] = nothing
    done: Tell = nothing


def dumper_of(settings: Settings) -> Dumper:
    if settings.is_sqlite:
        return SqliteDumper()
    return PostgresDumper() if settings.database_url.startswith("postgresql") else MariadbDumper()


def key_of(settings: Settings) -> Key | None:
    return Key.read(settings.backup_key_file) if settings.backup_key_file else None


def models_directory(settings: Settings) -> Path:
    """Where the online models keep their artifacts."""
    return settings.data_dir / "models"


class Busy(Conflict):
    """Another backup is being made or removed."""

    code = "busy"


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Raises `Busy` while another backup is made or removed there. The lock goes with its process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"Another backup is being made in {root}; try again later.") from None
            yield
    except OSError as error:
        raise unavailable(error, str(root)) from error


def take(settings: Settings, kind: str, progress: Progress = Progress(), *, safety: bool = False) -> Manifest:
    """Make one backup and copy it to every store. Raises `Conflict`, `Unavailable`, `Misconfigured`, `ProgramFailed`; then
    nothing is published, except that a copy failed: the message says so, and the backup itself stays.
    """
    if kind not in KINDS:
        raise Invalid("There is no such kind of backup.", fields={"kind": "one of " + ", ".join(KINDS)})
    stores, key = Stores(settings), key_of(settings)
    with one_at_a_time(stores.home.root):
        clean_up(stores)
        created_at, began = clock.now(), time.monotonic()
        name = new_id(kind, created_at)
        work = stores.home.root / f".{name}{PART}"
        work.mkdir()
        try:
            parts, facts = _parts(settings, kind, work, key, progress)
            if facts is not None:
                keep_segments(settings, stores, facts.segments, key)
            manifest = _manifest(settings, name, kind, parts, facts, key, time.monotonic() - began, created_at)
            manifest = msgspec.structs.replace(manifest, safety=safety)
            _publish(work, stores.home.root / name, manifest)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for store in stores.copies:
            copy_to(store, stores, manifest)
    return manifest


def copy_to(store: Store, stores: Stores, manifest: Manifest) -> None:
    """Its parts, then its manifest. Raises `Unavailable`, saying that the backup itself is there."""
    home = stores.home.root / manifest.id
    try:
        for part in manifest.parts:
            store.put(f"{manifest.id}/{part.file}", home / part.file, part.packed_sha256)
        store.put_bytes(f"{manifest.id}/{SUMS}", manifest.sums.encode())
        store.put_bytes(f"{manifest.id}/{MANIFEST}", msgspec.json.encode(manifest))
    except Unavailable as error:
        raise Unavailable(f"{manifest.id} was made, and not copied to {store.place}: {error.message}") from error


def mark_verified(kept_in: tuple[Store, ...], backup_id: str, said: bytes) -> None:
    for store in kept_in:
        store.put_bytes(f"{backup_id}/{VERIFIED}", said)


def clean_up(stores: Stores) -> None:
    """What a process that died left. Only under the lock."""
    for path in stores.home.root.glob(f".*{PART}"):
        shutil.rmtree(path, ignore_errors=True)


def _parts(
    settings: Settings, kind: str, work: Path, key: Key | None, progress: Progress
) -> tuple[list[Part], Facts | None]:
    compression = settings.backup_compression
    parts: list[Part] = []
    facts: Facts | None = None
    if kind != "models":
        dumper = dumper_of(settings)
        facts_of: list[Facts] = []

        def tell(found: Facts) -> None:
            if not found.revision:  # else an empty backup passes for a fresh one, and nothing can be restored from it
                raise Conflict(NO_TABLES)
            _require_room(work, found.size)
            progress.whole(found.size)
            facts_of.append(found)

        with packed("database", work, f"database{dumper.suffix}", compression, key, progress.done) as packer:
            dumper.dump(settings, work, packer.write, tell)
        parts.append(packer.part)
        (facts,) = facts_of
    if kind != "database":
        home = models_directory(settings)
        with packed("models", work, "models.tar", compression, key, nothing) as packer:
            tar_files(sorted(path for path in home.rglob("*") if path.is_file()), home, packer)
        parts.append(packer.part)
    erasures = erasure_list.path_of(settings)
    if kind != "models" and erasures.exists():
        with packed("erasures", work, erasures.name, compression, key, nothing) as packer:
            packer.write(erasures.read_bytes())
        parts.append(packer.part)
    if kind == "full":
        with packed("settings", work, "settings", compression, key, nothing) as packer:
            packer.write(settings_text(settings).encode())
        parts.append(packer.part)
        if settings.logs_dir:
            with packed("logs", work, "logs.tar", compression, key, nothing) as packer:
                tar_files(recent_logs(settings), settings.logs_dir, packer)
            parts.append(packer.part)
    return parts, facts


def _manifest(
    settings: Settings,
    name: str,
    kind: str,
    parts: list[Part],
    facts: Facts | None,
    key: Key | None,
    seconds: float,
    created_at: datetime,
) -> Manifest:
    plain = Manifest(
        id=name,
        kind=kind,
        created_at=created_at,
        seconds=round(seconds, 3),
        version=__version__,
        compression=settings.backup_compression,
        key_id=key.id if key else "",
        parts=parts,
    )
    if facts is None:
        return plain
    return msgspec.structs.replace(
        plain,
        segments=facts.segments,
        dialect=settings.database_url.partition(":")[0].partition("+")[0],
        server_version=facts.server_version,
        revision=facts.revision,
        position=facts.position,
        counts=facts.counts,
        counts_exact=facts.counts_exact,
    )


def _publish(work: Path, target: Path, manifest: Manifest) -> None:
    contents = {SUMS: manifest.sums.encode(), MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2)}
    for name, content in contents.items():
        with (work / name).open("wb") as file:
            file.write(content)
            sync(file)
    sync_directory(work)
    work.rename(target)
    sync_directory(target.parent)


def _require_room(work: Path, size: int) -> None:
    free = shutil.disk_usage(work).free
    if free < size * ROOM:
        raise Unavailable(
            f"{work.parent} has {free / 2**20:,.0f} MB free; a backup of this database wants {size * ROOM / 2**20:,.0f} MB."
        )
