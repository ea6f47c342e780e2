"""A backup as one tar that any program reads: unpacked, decrypted, with its segments. For a disk in a drawer, and for the day on
which nobody has Quadra. It streams: neither the tar nor what goes into it is ever in memory.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from quadra.backup.stores.manifest import Damage, Manifest, Part
from quadra.backup.stores.packing import ENCRYPTED, SUFFIX, Hashed, chunks
from quadra.backup.stores.segment_copies import fetch
from quadra.backup.stores.stores import Kept, Stores, unavailable
from quadra.backup.verify import key_for, parts_of, scratch_directory
from quadra.core.durable import sync
from quadra.core.errors import Conflict, Unavailable
from quadra.core.settings import Settings

METADATA = "backup_metadata.json"
DIRECTORIES = ("models", "database", "segments", "logs")
"""Of every tar, also where nothing is in them."""
ROOM = 1.05


def write_tar(settings: Settings, kept: Kept, to: Path) -> str:
    """Write `to`, and `to`.sha256 beside it as `sha256sum -c` takes it; the hash. Raises `Conflict` where a file of that name is
    there, `Damage`, `NotFound`, `Unavailable`; then nothing is there.
    """
    partial = to.with_name(f".{to.name}.part")
    try:
        if to.exists():
            raise Conflict(f"{to} is there already: remove it, or name another file.")
        _require_room(to, kept.manifest)
        with partial.open("wb") as file:
            hashed = Hashed(file)
            with tarfile.open(fileobj=cast(IO[bytes], hashed), mode="w|") as tar:
                _fill(tar, settings, kept)
            sync(file)
        digest = hashed.sha256.hexdigest()
        partial.rename(to)
        to.with_name(f"{to.name}.sha256").write_text(f"{digest}  {to.name}\n")
    except OSError as error:
        raise unavailable(error, str(to)) from error
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _fill(tar: tarfile.TarFile, settings: Settings, kept: Kept) -> None:
    manifest, stores = kept.manifest, Stores(settings)
    key = key_for(manifest, settings)
    for name in DIRECTORIES:
        info = _info(manifest, name, 0)
        info.type, info.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(info)
    with parts_of(kept, stores) as directory:
        for part in manifest.parts:
            with io.BufferedReader(_Content(chunks(directory / part.file, part, key))) as content:
                if _plain_name(part).endswith(".tar"):
                    _repack(tar, content, part.name)
                else:
                    tar.addfile(_info(manifest, _place(part), part.bytes), content)
                while content.read(2**16):  # to the end: only there the hash is compared
                    pass
    with scratch_directory(stores.home.root) as scratch:
        for segment in manifest.segments:
            fetch(stores.all, segment, key, scratch / "segment")
            with (scratch / "segment").open("rb") as file:
                tar.addfile(_info(manifest, f"segments/{segment.path}", segment.bytes), file)
    metadata = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    tar.addfile(_info(manifest, METADATA, len(metadata)), io.BytesIO(metadata))  # last: what has it is whole


def _plain_name(part: Part) -> str:
    """The name of its content."""
    name = part.file.removesuffix(ENCRYPTED)
    for suffix in SUFFIX.values():
        name = name.removesuffix(suffix)
    return name


def _place(part: Part) -> str:
    return "settings" if part.name == "settings" else f"database/{_plain_name(part)}"


def _repack(tar: tarfile.TarFile, content: IO[bytes], directory: str) -> None:
    try:
        with tarfile.open(fileobj=content, mode="r|") as inner:
            for member in inner:
                member.name = f"{directory}/{member.name}"
                tar.addfile(member, inner.extractfile(member))
    except tarfile.TarError as error:
        raise Damage(f"The {directory} of this backup are no tar: {error}") from error


def _info(manifest: Manifest, name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(manifest.created_at.timestamp())
    return info


class _Content(io.RawIOBase):
    """The content of a part, to read from."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._pieces, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _require_room(to: Path, manifest: Manifest) -> None:
    wanted = ROOM * (sum(part.bytes for part in manifest.parts) + sum(segment.bytes for segment in manifest.segments))
    free = shutil.disk_usage(to.parent).free
    if free < wanted:
        raise Unavailable(f"{to.parent} has {free / 2**20:,.0f} MB free; this tar wants {wanted / 2**20:,.0f} MB.")
