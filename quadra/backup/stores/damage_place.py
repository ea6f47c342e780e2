"""Where a file of a backup is damaged: the byte, where another store has a sound copy of it, else how far it can be read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quadra.backup.stores.cipher import Key
from quadra.backup.stores.manifest import Damage, Part, SegmentCopy
from quadra.backup.stores.packing import CHUNK, chunks
from quadra.backup.stores.segment_copies import local_path, object_of, sound
from quadra.backup.stores.stores import Store
from quadra.core.durable import sha256_of
from quadra.core.errors import NotFound, Unavailable
from quadra.core.settings import Settings


def by_copies(path: Path, sha256: str, name: str, others: Iterable[Store], scratch: Path) -> str:
    """A sentence that names the first wrong byte of a file; empty where no other store has the file as it should be."""
    for store in others:
        copy = scratch / "copy"
        try:
            store.get(name, copy)
        except (NotFound, Unavailable):
            continue
        if path.exists() and sha256_of(copy) == sha256:
            return f" Its first wrong byte is at offset {first_difference(path, copy)}, as {store.place} shows."
    return ""


def of_segment(settings: Settings, store: Store, segment: SegmentCopy, others: Iterable[Store], scratch: Path) -> str:
    """As `by_copies`, of a segment that is not encrypted. The file that questions read is a copy too."""
    name, damaged = object_of(segment, ""), scratch / "damaged"
    try:
        store.get(name, damaged)
    except (NotFound, Unavailable):
        return ""
    if sound(read := local_path(settings, segment.path), segment):
        return f" Its first wrong byte is at offset {first_difference(damaged, read)}, as {read} shows."
    return by_copies(damaged, segment.sha256, name, others, scratch)


def by_reading(path: Path, part: Part, key: Key | None) -> str:
    """A sentence that says how much of a part can be read; empty where it can be read to its end."""
    read = 0
    try:
        for chunk in chunks(path, part, key):
            read += len(chunk)
    except (Damage, OSError):
        if read < part.bytes and path.exists():
            return f" It can be read up to byte {read} of {part.bytes} of its content."
    return ""


def first_difference(one: Path, other: Path) -> int:
    """The offset of the first byte in which two files differ; their size where they do not."""
    offset = 0
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            here, there = left.read(CHUNK), right.read(CHUNK)
            if here != there:
                pairs = enumerate(zip(here, there, strict=False))
                return offset + next((at for at, (a, b) in pairs if a != b), min(len(here), len(there)))
            if not here:
                return offset
            offset += len(here)
