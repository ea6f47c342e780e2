"""What the archive of the write-ahead log can do: is it whole from a base backup on, and how far does it reach?

A segment's name is its timeline and its number. After a promotion the log goes on in a new timeline, from the segment of
the switch on; a `.history` file says where.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quadra.backup import wal_archive
from quadra.backup.wal_archive import SEGMENT
from quadra.core.errors import Conflict

COMMIT = re.compile(r"desc: COMMIT(?:_PREPARED)?.*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
AT_ONCE = 2
"""Segments that are looked through for a commit together: a record may begin in one and end in the next."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    timeline: int
    number: int

    def name(self, segment_bytes: int) -> str:
        per_file = 2**32 // segment_bytes
        return f"{self.timeline:08X}{self.number // per_file:08X}{self.number % per_file:08X}"


@dataclass(frozen=True, slots=True)
class Gap:
    first: str
    last: str
    count: int

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.first} is missing"
        return f"{self.count} segments are missing, from {self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The segments from a start on, in order, as far as they follow each other; and what is missing among them."""

    segments: tuple[str, ...]
    gaps: tuple[Gap, ...]
    timeline: int


def parse(name: str, segment_bytes: int) -> Segment:
    per_file = 2**32 // segment_bytes
    return Segment(int(name[:8], 16), int(name[8:16], 16) * per_file + int(name[16:24], 16))


def lsn(text: str) -> int:
    """`0/3000148` as a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def archived(archive: Path) -> list[str]:
    """Names of the whole segments in the archive, in order."""
    if not archive.is_dir():
        return []
    names = (path.name.removesuffix(".gz") for path in archive.glob("*.gz"))
    return sorted(name for name in names if SEGMENT.fullmatch(name))


def histories(archive: Path) -> dict[int, list[tuple[int, int]]]:
    """Timeline -> its ancestors, oldest first, as (timeline, LSN at which it was left)."""
    ancestors = {}
    for path in sorted(archive.glob("*.history.gz")):
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
        ancestors[int(path.name[:8], 16)] = [(int(row[0]), lsn(row[1])) for row in rows]
    return ancestors


def follow(archive: Path, *, timeline: int, start: int) -> Chain:
    """The chain from the LSN `start` on `timeline`, over the newest timeline that descends from it. Raises `Conflict`."""
    known = wal_archive.identity(archive)
    if known is None:
        raise Conflict(
            f"There is no WAL in {archive}: archiving was never set up (quadra wal setup), or this is not it."
        )
    size = known["segment_bytes"]
    there = {parse(name, size) for name in archived(archive)}
    past = histories(archive)
    newest = max([timeline, *(child for child, line in past.items() if timeline in dict(line))])
    way = [(parent, left) for parent, left in past.get(newest, []) if parent >= timeline]
    wanted: list[Segment] = []
    number = start // size
    for parent, left in way:  # the segment in which a timeline was left is read from its child
        wanted += [Segment(parent, each) for each in range(number, left // size)]
        number = max(number, left // size)
    last = max((segment.number for segment in there if segment.timeline == newest), default=number - 1)
    wanted += [Segment(newest, each) for each in range(number, last + 1)]
    whole = []
    for segment in wanted:
        if segment not in there:
            break
        whole.append(segment.name(size))
    return Chain(tuple(whole), tuple(_gaps(wanted, there, size)), newest)


def _gaps(wanted: list[Segment], there: set[Segment], size: int) -> Iterator[Gap]:
    missing: list[Segment] = []
    for segment in [*wanted, None]:
        if segment is not None and segment not in there:
            missing.append(segment)
        elif missing:
            yield Gap(missing[0].name(size), missing[-1].name(size), len(missing))
            missing = []


def damaged(archive: Path, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, what is wrong) of each segment that cannot be read back whole, or whose header names another place."""
    known = wal_archive.identity(archive) or {}
    for name in names:
        try:
            with gzip.open(archive / f"{name}.gz") as file:
                system, _timeline, size = wal_archive.header(file)  # type: ignore[arg-type]
                length = file.seek(0, os.SEEK_END)
        except (OSError, EOFError, zlib.error, wal_archive.Refused) as error:
            yield name, str(error)
            continue
        if system != known.get("system_identifier"):
            yield name, f"it is of the cluster {system}"
        elif length != size:
            yield name, f"it has {length} bytes instead of {size}"


def last_commit(archive: Path, chain: Chain, waldump: Path) -> datetime | None:
    """When the last transaction of the chain committed; None where no transaction is in it.

    That is how far recovery to a time can reach: PostgreSQL stops before the first commit *after* the wanted time, so
    there must be one, or the end of the log must be what is wanted.
    """
    end = len(chain.segments)
    while end > 0:
        found = _commits(archive, chain.segments[max(0, end - AT_ONCE) : end], waldump)
        if found:
            return max(found)
        end -= AT_ONCE - 1
    return None


def _commits(archive: Path, names: tuple[str, ...], waldump: Path) -> list[datetime]:
    timeline = names[-1][:8]
    names = tuple(name for name in names if name.startswith(timeline))
    with tempfile.TemporaryDirectory(prefix="quadra-wal-") as scratch:
        for name in names:
            wal_archive.fetch(archive, name, Path(scratch) / name)
        # the last record may go on in a segment that is not there, at which it fails; what it read until then counts
        command = [str(waldump), "--rmgr=Transaction", f"--path={scratch}", f"--timeline={int(timeline, 16)}"]
        done = subprocess.run(
            [*command, names[0], names[-1]], capture_output=True, text=True, check=False, timeout=120, env={"TZ": "UTC"}
        )
    return [_time(match[1]) for match in COMMIT.finditer(done.stdout)]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
