"""SQLite: copied by its own backup interface while it is written to, replaced by renames."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from quadra.backup.dumps import databases
from quadra.backup.dumps.databases import Facts, Write
from quadra.backup.stores.manifest import Damage
from quadra.core import clock
from quadra.core.database_errors import why
from quadra.core.durable import sync, sync_directory
from quadra.core.errors import Conflict, Unavailable
from quadra.core.settings import Settings
from quadra.core.sqlite_file import sqlite_url

CHUNK = 2**20
BESIDE = ("", "-wal", "-shm")


class SqliteDumper:
    suffix = ".db"

    def dump(self, settings: Settings, scratch: Path, write: Write, on_facts: Callable[[Facts], None]) -> None:
        copy = scratch / "copy.db"
        source = file_of(settings.database_url)
        if not source.exists():
            raise Unavailable(f"There is no database at {source}. Next: quadra init, or quadra recover")
        try:
            # one step: a copy in several begins again whenever somebody writes, and a busy writer never lets it end. Writers
            # go on meanwhile, in WAL mode a reader does not hold them up
            with (
                closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=10)) as live,
                closing(sqlite3.connect(copy)) as target,
            ):
                live.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            what = why(sa.exc.DBAPIError("", None, error))
            raise Unavailable(f"{source} cannot be copied: {error}. {what}") from error
        for connection in databases.connected(sqlite_url(copy)):
            on_facts(
                Facts(
                    counts=databases.counts(connection),
                    segments=databases.segments(connection),
                    revision=databases.revision(connection),
                    server_version=f"SQLite {sqlite3.sqlite_version}",
                    size=copy.stat().st_size,
                )
            )
        with copy.open("rb") as file:
            while chunk := file.read(CHUNK):
                write(chunk)
        copy.unlink()

    def load(self, settings: Settings, dump: Path, url: str) -> None:
        target = file_of(url)
        if target.exists() and target.stat().st_size:
            raise Conflict(f"{target} is not empty.")
        shutil.copyfile(dump, target)

    @contextmanager
    def scratch(self, settings: Settings, directory: Path) -> Iterator[str]:
        path = directory / "scratch.db"
        try:
            yield sqlite_url(path)
        finally:
            for suffix in BESIDE:
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    def replace(self, settings: Settings, dump: Path, directory: Path, check: Callable[[str], None]) -> str:
        target = file_of(settings.database_url)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.restoring")
        try:
            for suffix in BESIDE:
                fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
            shutil.copyfile(dump, fresh)
            check(sqlite_url(fresh))
            _settle(fresh)
            aside = set_aside(target, "replaced")
            fresh.rename(target)
            sync_directory(target.parent)
        finally:
            for suffix in BESIDE:
                fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        return str(aside) if aside else ""


def file_of(url: str) -> Path:
    return Path(sa.make_url(url).database or "")


def set_aside(path: Path, why: str) -> Path | None:
    """Move a database and what lies beside it into a directory of its own; nothing is deleted. None where there is none."""
    if not any(path.with_name(path.name + suffix).exists() for suffix in BESIDE):
        return None
    home = path.with_name(f"{path.name}.{why}-{clock.now():%Y%m%dT%H%M%S}-{os.urandom(2).hex()}")
    home.mkdir()
    for suffix in reversed(BESIDE):
        found = path.with_name(path.name + suffix)
        if found.exists():
            found.rename(home / found.name)
    return home


def check_integrity(path: Path) -> None:
    """Every page, and every index against its table. Raises `Damage` with the first that is wrong."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            problems = connection.execute("PRAGMA integrity_check(3)").fetchall()
    except sqlite3.DatabaseError as error:
        raise Damage(f"{path} is damaged: {error}.") from None
    if problems != [("ok",)]:
        raise Damage(f"{path} is damaged: {' '.join('; '.join(str(row[0]) for row in problems).split())[:300]}.")


def _settle(path: Path) -> None:
    """Everything in the one file, on the disk."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    with path.open("rb") as file:
        sync(file)
