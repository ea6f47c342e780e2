#!/usr/bin/env python3
"""The archive of PostgreSQL's write-ahead log: a directory with every finished segment, compressed, put there by PostgreSQL.

PostgreSQL calls this file for each segment, often on a machine where nothing of Quadra is installed. It therefore needs
Python alone (3.8 or newer, no package, nothing else of Quadra) and may be copied there:

    archive_command = 'python3 /path/to/wal_archive.py push /backups/wal "%p" "%f"'

It must never say that a segment is safe before it is on the disk, and never replace one that is there.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO

NAME = re.compile(r"[0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history")
SEGMENT = re.compile(r"[0-9A-F]{24}")
IDENTITY = "archive.json"
"""Which cluster this archive belongs to, and how large its segments are: learned from the first one."""
LONG_HEADER = struct.Struct("<HHIQI4xQII")
"""The first page of a segment: magic, info, timeline, address, rest of a record, system identifier, segment and page size."""
CHUNK = 2**20
FAILED = {errno.EROFS, errno.EIO, errno.ESHUTDOWN}


class Refused(Exception):
    """This file is not taken, and PostgreSQL keeps it: the text says why."""


def push(archive: Path, source: Path, name: str) -> bool:
    """Add a file under its name. False when the same bytes are there already. Raises `Refused` or OSError."""
    if not NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name of a WAL file")
    archive.mkdir(parents=True, exist_ok=True)
    if SEGMENT.match(name) and not name.endswith(".backup"):
        _belongs(archive, source)
    target = archive / f"{name}.gz"
    if target.exists():
        return _same_or_refused(source, target)
    for left in archive.glob(f".{name}.*.part"):  # of a push that was killed
        left.unlink(missing_ok=True)
    part = archive / f".{name}.{os.getpid()}.part"
    try:
        with part.open("xb") as out:
            _compress(source, out)
            _sync_file(out)
        try:
            os.link(part, target)  # unlike a rename it never replaces what another push put there meanwhile
        except FileExistsError:
            return _same_or_refused(source, target)
    finally:
        part.unlink(missing_ok=True)
    _sync(archive)
    return True


def fetch(archive: Path, name: str, target: Path) -> bool:
    """Write the file of that name to `target`. False when the archive has none. Raises OSError or zlib.error when damaged."""
    packed = archive / f"{name}.gz"
    if not packed.exists():
        return False
    with gzip.open(packed) as read, target.open("wb") as out:
        while chunk := read.read(CHUNK):
            out.write(chunk)
    return True


def restore_command(archive: Path) -> str:
    """For postgresql.conf. PostgreSQL's user runs it: nothing of Quadra, only what each machine has."""
    return f'gunzip -c "{archive}/%f.gz" > "%p"'


def header(source: BinaryIO) -> tuple[int, int, int]:
    """System identifier, timeline and segment size that a segment's first page names. Raises `Refused`."""
    page = source.read(LONG_HEADER.size)
    if len(page) < LONG_HEADER.size:
        raise Refused("the file is shorter than the header of a WAL segment")
    _magic, info, timeline, _address, _rest, system, segment_bytes, _page_bytes = LONG_HEADER.unpack(page)
    if not info & 2 or segment_bytes & (segment_bytes - 1) or not 2**20 <= segment_bytes <= 2**30:
        raise Refused("the file does not begin like a WAL segment")
    return system, timeline, segment_bytes


def identity(archive: Path) -> dict[str, int] | None:
    """`{"system_identifier", "segment_bytes"}` of the cluster whose WAL this is; None for an empty archive."""
    try:
        found: dict[str, int] = json.loads((archive / IDENTITY).read_text())
    except FileNotFoundError:
        return None
    return found


def _belongs(archive: Path, source: Path) -> None:
    """WAL of two clusters in one archive would make both useless: the first segment decides."""
    with source.open("rb") as file:
        system, _timeline, segment_bytes = header(file)
    mine = {"system_identifier": system, "segment_bytes": segment_bytes}
    known = identity(archive)
    if known is None:
        part = archive / f".{IDENTITY}.{os.getpid()}.part"
        with part.open("w") as out:
            json.dump(mine, out)
            _sync_file(out)
        part.replace(archive / IDENTITY)
        _sync(archive)
    elif known != mine:
        raise Refused(
            f"{archive} holds the WAL of the cluster {known['system_identifier']}, this is of {system}: "
            "give each cluster an archive of its own"
        )


def _same_or_refused(source: Path, target: Path) -> bool:
    try:
        with gzip.open(target) as packed, source.open("rb") as plain:
            same = _digest(packed) == _digest(plain)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(f"{target} is there and cannot be read back ({error}): move it away") from error
    if not same:
        raise Refused(f"{target} is there with other bytes: it is not replaced")
    _sync(target.parent)
    return False


def _compress(source: Path, out: BinaryIO) -> None:
    with (
        source.open("rb") as plain,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=out, mtime=0) as packed,
    ):
        while chunk := plain.read(CHUNK):
            packed.write(chunk)


def _digest(file: BinaryIO | gzip.GzipFile) -> bytes:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.digest()


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        _settle(handle)
    finally:
        os.close(handle)


def _sync_file(file: IO[Any]) -> None:
    file.flush()
    _settle(file.fileno())


def _settle(handle: int) -> None:
    """As `quadra.core.durable`, which says why: a disk that fails may answer a sync as if all was written."""
    os.fsync(handle)
    for _ in range(2):
        try:
            os.utime(handle)
        except OSError as error:
            if error.errno in FAILED:
                raise


def main(arguments: list[str]) -> int:
    """0: done. 1: no such file, which PostgreSQL expects at the end of the archive. 2: anything else."""
    try:
        if len(arguments) == 4 and arguments[0] == "push":
            push(Path(arguments[1]), Path(arguments[2]), arguments[3])
            return 0
        if len(arguments) == 4 and arguments[0] == "fetch":
            return 0 if fetch(Path(arguments[1]), arguments[2], Path(arguments[3])) else 1
    except (OSError, EOFError, zlib.error, Refused) as error:
        sys.stderr.write(f"wal_archive: {arguments[3] if arguments[0] == 'push' else arguments[2]}: {error}\n")
        return 2
    sys.stderr.write("usage: wal_archive.py push ARCHIVE PATH NAME | fetch ARCHIVE NAME PATH\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
