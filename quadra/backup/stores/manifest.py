"""What a backup says of itself. The manifest is written last: a backup without one is not there."""

from __future__ import annotations

import os
import re
from datetime import datetime

import msgspec

from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.typed import Typed

KINDS = ("models", "database", "full")
MANIFEST, VERIFIED, SUMS = "manifest.json", "verified.json", "checksums.sha256"
ID = re.compile(r"(models|database|full)-\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}")


class Damage(Conflict):
    """This backup is not what its manifest says."""

    code = "backup_damaged"


class Part(msgspec.Struct, frozen=True):
    """One file of a backup. `bytes` and `sha256` are of its content, the `packed_` ones of the file in the store."""

    name: str
    file: str
    bytes: int
    sha256: str
    packed_bytes: int
    packed_sha256: str


class SegmentCopy(msgspec.Struct, frozen=True):
    """A segment that the database of this backup lists. Its file is kept once, by its hash, for all backups."""

    path: str
    bytes: int
    sha256: str
    rows: int


class Manifest(msgspec.Struct, frozen=True):
    id: str
    kind: str
    created_at: datetime
    seconds: float
    version: str
    """Of Quadra."""
    compression: str
    key_id: str
    """Which key it is encrypted with; empty: none."""
    parts: list[Part]
    segments: list[SegmentCopy] = []
    dialect: str = ""
    server_version: str = ""
    revision: str = ""
    """Of the schema."""
    position: str = ""
    """In the server's log (LSN or binlog), where the server says one."""
    counts: dict[str, int] = {}
    """Rows by table, in the very state that was copied."""
    counts_exact: bool = True
    safety: bool = False
    """Taken of what a restore was about to replace: by its id it can be restored, but it is never the latest."""

    @property
    def bytes(self) -> int:
        return sum(part.packed_bytes for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    @property
    def sums(self) -> str:
        """The hashes of its files, as `sha256sum -c` takes them in its directory."""
        return "".join(f"{part.packed_sha256}  {part.file}\n" for part in self.parts)

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


class Verified(msgspec.Struct, frozen=True):
    """That a backup was verified, kept beside it."""

    at: datetime
    level: str
    rows: int


_manifests = Typed(Manifest)
verified_marks = Typed(Verified)


def new_id(kind: str, at: datetime) -> str:
    return f"{kind}-{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z-{os.urandom(2).hex()}"


def decode(text: bytes, where: str) -> Manifest:
    """Raises `Damage`."""
    try:
        found = _manifests.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damage(f"{where} is damaged: {error}") from None
    return msgspec.structs.replace(found, created_at=clock.from_us(clock.to_us(found.created_at)))
