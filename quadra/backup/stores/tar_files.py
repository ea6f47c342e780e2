"""Unpack the tars of backups, also with the Pythons before 3.11.4, whose tarfile has no filters (Debian 12's)."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from quadra.backup.stores.manifest import Damage


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """One member into a directory. Raises `Damage` for one that wants to lie elsewhere, or is no file, directory or link."""
    if hasattr(tarfile, "data_filter"):
        tar.extract(member, directory, filter="data")
        return
    for name in (member.name, member.linkname):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise Damage(f"The archive holds {name!r}, which lies outside of it.")
    if not (member.isfile() or member.isdir() or member.issym()):
        raise Damage(f"The archive holds {member.name!r}, which is no file.")
    tar.extract(member, directory)
