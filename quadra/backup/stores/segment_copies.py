"""Segments in backups. They never change, so each is copied once, under its hash, whichever backups list it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quadra.backup.stores.cipher import Decrypting, Encrypting, Key
from quadra.backup.stores.manifest import Damage, SegmentCopy
from quadra.backup.stores.stores import Store, Stores, object_name
from quadra.core.durable import sha256_of
from quadra.core.errors import NotFound, Unavailable
from quadra.core.settings import Settings
from quadra.warehouse.segments.stores import store_of

CHUNK = 2**20
GONE = "Segment {path} is not where the database says ({why}); `quadra recover` fetches it from an older backup."


def object_of(segment: SegmentCopy, key_id: str) -> str:
    return object_name(segment.sha256) + (f".{key_id}" if key_id else "")


def local_path(settings: Settings, segment_path: str) -> Path:
    """Where questions read the segment on this machine."""
    return settings.data_dir / "segments" / segment_path


def keep_segments(settings: Settings, stores: Stores, segments: Iterable[SegmentCopy], key: Key | None) -> None:
    """Copy those that a store has not yet. Raises `Damage` for one that is not what the database says it is."""
    warehouse = store_of(settings)
    for segment in segments:
        name = object_of(segment, key.id if key else "")
        missing = [store for store in stores.all if store.size(name) is None]
        if missing:
            (source,) = warehouse.ready([segment.path])
            _require(source, segment)
            with _sealed(source, key, stores.home.root) as path:
                digest = sha256_of(path)
                for store in missing:
                    store.put(name, path, digest)


def fetch(stores: Iterable[Store], segment: SegmentCopy, key: Key | None, to: Path) -> str:
    """Bring a segment back to its place, compared with its hash; says from which store.

    Raises `NotFound` where no store has it whole.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    partial, plain = to.with_name(f".{to.name}.fetched"), to.with_name(f".{to.name}.plain")
    names = [object_of(segment, "")] + ([object_of(segment, key.id)] if key else [])
    try:
        for store in stores:
            for name in names:
                try:
                    store.get(name, partial)
                    opened = _opened(partial, plain, key, name) if name != names[0] else partial
                except (NotFound, Unavailable, Damage):
                    continue
                if sha256_of(opened) == segment.sha256:
                    opened.rename(to)
                    return store.place
    finally:
        partial.unlink(missing_ok=True)
        plain.unlink(missing_ok=True)
    raise NotFound(f"No store has segment {segment.path} ({segment.sha256}).")


def sound(path: Path, segment: SegmentCopy) -> bool:
    """Whether the file is what the database says."""
    try:
        return path.stat().st_size == segment.bytes and sha256_of(path) == segment.sha256
    except OSError:
        return False


def _require(path: Path, segment: SegmentCopy) -> None:
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise Damage(GONE.format(path=segment.path, why=error.strerror)) from error
    if sha256 != segment.sha256:
        raise Damage(GONE.format(path=segment.path, why=f"its sha256 is {sha256}, should be {segment.sha256}"))


@contextmanager
def _sealed(source: Path, key: Key | None, directory: Path) -> Iterator[Path]:
    if key is None:
        yield source
        return
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".segment", suffix=".part") as file:
        sealed = Encrypting(file, key)
        with source.open("rb") as plain:
            while chunk := plain.read(CHUNK):
                sealed.write(chunk)
        sealed.close()
        file.flush()
        yield Path(file.name)


def _opened(sealed: Path, plain: Path, key: Key | None, name: str) -> Path:
    assert key is not None
    with sealed.open("rb") as file, plain.open("wb") as out:
        source = Decrypting(file, key, name)
        while chunk := source.read(CHUNK):
            out.write(chunk)
    return plain


def objects_of(segments: Iterable[SegmentCopy], key_id: str) -> set[str]:
    return {object_of(segment, key_id) for segment in segments}
