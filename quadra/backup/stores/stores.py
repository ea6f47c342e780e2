"""Where backups lie: a directory, a second one, a bucket. What has a manifest is whole; everything else is not listed.

`<id>/manifest.json` and the parts beside it; `objects/<two digits>/<sha256>` holds segments, each once for all backups.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from quadra.backup.stores.manifest import ID, MANIFEST, VERIFIED, Damage, Manifest, Verified, decode, verified_marks
from quadra.core.durable import sha256_of, sync, sync_directory
from quadra.core.errors import NotFound, Unavailable
from quadra.core.settings import Settings

OBJECTS = "objects"
CHUNK = 2**20


class Store(Protocol):
    """Named files. All of it blocks and raises `Unavailable` where it cannot be written or read."""

    place: str
    """As people say it."""

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Store a file, read it back, compare. A file of that name and hash stays as it is."""

    def get(self, name: str, to: Path) -> None:
        """Fetch a file. Raises `NotFound`."""

    def put_bytes(self, name: str, content: bytes) -> None:
        """Store something small, in place of what was there."""

    def get_bytes(self, name: str) -> bytes:
        """Raises `NotFound`."""

    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""

    def names(self, prefix: str) -> Iterator[str]:
        """Every file whose name begins so."""

    def remove(self, name: str) -> None:
        """Nothing happens when it is gone already."""


class DirectoryStore:
    def __init__(self, root: Path):
        self.root = root
        self.place = str(root)

    def put(self, name: str, path: Path, sha256: str) -> None:
        target = self.root / name
        if target.exists() and sha256_of(target) == sha256:
            return
        with self._replacing(name) as partial:
            with path.open("rb") as source, partial.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
            if (found := sha256_of(partial)) != sha256:
                raise Unavailable(f"{target} arrived damaged: its sha256 is {found}, should be {sha256}.")

    def get(self, name: str, to: Path) -> None:
        try:
            shutil.copyfile(self.root / name, to)
        except FileNotFoundError as error:
            raise NotFound(f"{self.place} has no {name}.") from error
        except OSError as error:
            raise unavailable(error, self.place) from error

    def put_bytes(self, name: str, content: bytes) -> None:
        with self._replacing(name) as partial:
            partial.write_bytes(content)

    @contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """A path to write to, whose file gets its name by one rename when it is on the disk, or is gone."""
        target = self.root / name
        partial = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with partial.open("rb") as file:
                sync(file)
            partial.rename(target)
            sync_directory(target.parent)
        except OSError as error:
            raise unavailable(error, self.place) from error
        finally:
            partial.unlink(missing_ok=True)

    def get_bytes(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self.place} has no {name}.") from error
        except OSError as error:
            raise unavailable(error, self.place) from error

    def size(self, name: str) -> int | None:
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return None

    def names(self, prefix: str) -> Iterator[str]:
        start = self.root / prefix if (self.root / prefix).is_dir() else self.root
        for path in sorted(start.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if (
                path.is_file()
                and name.startswith(prefix)
                and not any(part.startswith(".") for part in Path(name).parts)
            ):
                yield name

    def remove(self, name: str) -> None:
        try:
            (self.root / name).unlink(missing_ok=True)
            parent = (self.root / name).parent
            if parent != self.root and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        except OSError as error:
            raise unavailable(error, self.place) from error


class BucketStore:
    """A bucket, by the client that segments use too."""

    def __init__(self, settings: Settings, where: str):
        # only here: what it imports costs a process some 30 MB, and most have no bucket
        self._bucket: Any = importlib.import_module("quadra.core.s3").Bucket(settings, where)
        self.place = f"s3://{where}"

    def put(self, name: str, path: Path, sha256: str) -> None:
        """The bucket compares each part that it is sent with its hash."""
        found = self._bucket.head(name)
        if found is None or found.sha256 != sha256:
            self._bucket.put(name, path, replace=True)

    def get(self, name: str, to: Path) -> None:
        self._bucket.get(name, to)

    def put_bytes(self, name: str, content: bytes) -> None:
        self._bucket.put_bytes(name, content)

    def get_bytes(self, name: str) -> bytes:
        found: bytes = self._bucket.get_bytes(name)
        return found

    def size(self, name: str) -> int | None:
        found = self._bucket.head(name)
        return None if found is None else int(found.bytes)

    def names(self, prefix: str) -> Iterator[str]:
        for found in self._bucket.list(prefix):
            yield found.name

    def remove(self, name: str) -> None:
        self._bucket.remove(name)


@dataclass(frozen=True)
class Kept:
    """A backup that is whole, and every store that has it, the nearest first."""

    manifest: Manifest
    stores: tuple[Store, ...]
    verified: Verified | None

    @property
    def path(self) -> str:
        """The file that holds most of it."""
        part = self.manifest.part("database") or self.manifest.parts[0]
        return f"{self.stores[0].place}/{self.manifest.id}/{part.file}"


@dataclass(frozen=True)
class Found:
    """What lies in the stores: every backup that some store holds whole, newest first; and what lies there under the name of
    a backup and is none, and why.
    """

    kept: list[Kept]
    damaged: list[str]


class Stores:
    """The stores of this installation: the first is a directory of this machine, where backups are made."""

    def __init__(self, settings: Settings):
        self.home = DirectoryStore(settings.backup_dir or settings.data_dir / "backups")
        self.copies: list[Store] = []
        if settings.backup_secondary_dir:
            self.copies.append(DirectoryStore(settings.backup_secondary_dir))
        if settings.backup_s3:
            self.copies.append(BucketStore(settings, settings.backup_s3))

    @property
    def all(self) -> tuple[Store, ...]:
        return (self.home, *self.copies)

    def look(self) -> Found:
        manifests: dict[str, Manifest] = {}
        where: dict[str, list[Store]] = {}
        damaged: list[str] = []
        for store in self.all:
            for found in _manifests(store, damaged):
                manifests.setdefault(found.id, found)
                where.setdefault(found.id, []).append(store)
        kept = [Kept(found, tuple(where[name]), _verified(where[name], name)) for name, found in manifests.items()]
        return Found(sorted(kept, key=lambda one: one.manifest.created_at, reverse=True), damaged)

    def list(self) -> list[Kept]:
        """Every backup that some store holds whole, newest first."""
        return self.look().kept

    def of_database(self) -> tuple[Kept, ...]:
        """What `latest` and a recovery choose from, the best first: what a restore replaced comes after all others."""
        found = [kept for kept in self.list() if kept.manifest.part("database")]
        return tuple(sorted(found, key=lambda kept: kept.manifest.safety))

    def find(self, backup_id: str) -> Kept:
        """Raises `NotFound`."""
        state = self.look()
        for one in state.kept:
            if one.manifest.id == backup_id:
                return one
        why = [said for said in state.damaged if backup_id and backup_id in said]
        places = " or ".join(store.place for store in self.all)
        raise NotFound(" ".join((f"There is no backup {backup_id!r} in {places}.", *why)))


def _manifests(store: Store, damaged: list[str]) -> Iterator[Manifest]:
    """Of the backups that are whole; what is wrong with the others is added to `damaged`."""
    for name in store.names(""):
        backup_id, _, file = name.partition("/")
        if file == MANIFEST and ID.fullmatch(backup_id):
            try:
                manifest = decode(store.get_bytes(name), f"{store.place}/{name}")
            except NotFound:  # removed meanwhile
                continue
            except Damage as error:
                damaged.append(error.message)
                continue
            missing = [part.file for part in manifest.parts if store.size(f"{backup_id}/{part.file}") is None]
            if manifest.id != backup_id:
                damaged.append(f"{store.place}/{name} is the manifest of {manifest.id}.")
            elif missing:
                damaged.append(f"{store.place}/{backup_id} lacks {', '.join(missing)}.")
            else:
                yield manifest


def _verified(stores: list[Store], backup_id: str) -> Verified | None:
    for store in stores:
        try:
            return verified_marks.decode(store.get_bytes(f"{backup_id}/{VERIFIED}"))
        except (NotFound, msgspec.DecodeError):
            continue
    return None


def object_name(sha256: str) -> str:
    return f"{OBJECTS}/{sha256[:2]}/{sha256}"


def unavailable(error: OSError, place: str) -> Unavailable:
    return Unavailable(f"{place} cannot be used: {error.strerror or error}.", retry_after_seconds=60)
