"""The database's part of a recovery: is it sound, empty, damaged, away; and back from the newest backup that restores."""

from __future__ import annotations

from pathlib import Path

import psutil
import sqlalchemy as sa

from quadra.backup.dumps import databases
from quadra.backup.dumps import postgres as postgres_dump
from quadra.backup.dumps import sqlite as sqlite_dump
from quadra.backup.recover import salvage
from quadra.backup.recover.context import Recovery, Stuck
from quadra.backup.recover.restore import restore, shown
from quadra.backup.stores.manifest import Damage
from quadra.backup.stores.stores import Kept
from quadra.backup.take import mark_verified
from quadra.backup.verify import LEVELS, verified
from quadra.core import migrate, presence
from quadra.core.errors import QuadraError, Unavailable

SOUND, EMPTY, DAMAGED = "sound", "empty", "damaged"


def look(recovery: Recovery) -> str:
    """What is there."""
    settings = recovery.settings
    where = shown(settings)
    if settings.is_sqlite:
        path = sqlite_dump.file_of(settings.database_url)
        if not path.exists() or not path.stat().st_size:
            recovery.state = EMPTY
            return f"there is no database at {where}"
        try:
            sqlite_dump.check_integrity(path)
        except Damage as error:
            recovery.state, recovery.why = DAMAGED, error.message
            return error.message
    elif settings.database_url.startswith("postgresql"):
        try:
            undone = postgres_dump.undo_interrupted(settings)
        except Unavailable as error:
            raise Stuck(_away(where, error.message)) from error
        if undone:
            recovery.changes.append(undone)
    return _ask(recovery, where)


def _ask(recovery: Recovery, where: str) -> str:
    try:
        migrate.wait_until_there(recovery.runtime.database, seconds=5)
        with recovery.runtime.database.engine.connect() as connection:
            counts = databases.counts(connection)
            if not counts:
                recovery.state = EMPTY
                return f"{where} has no tables"
            events = databases.events(connection, databases.segments(connection)) if "segment" in counts else 0
        if "web_process" in counts:
            with recovery.runtime.database.read() as session:
                recovery.running = ", ".join(row.name for row in presence.alive(session))
    except Unavailable as error:
        raise Stuck(_away(where, error.message)) from error
    except sa.exc.DBAPIError as error:
        raise Stuck(
            f"{where} answers, but its tables cannot be read: {error.orig}. Restore the cluster with `quadra pitr`, or make "
            "the database empty and run this again."
        ) from error
    recovery.state = SOUND
    served = f"; {recovery.running} serves it" if recovery.running else ""
    return f"{where} is sound: {sum(counts.values()):,} rows, {events:,} events{served}"


def repair(recovery: Recovery) -> str:
    """Bring back what is not there or not sound."""
    if recovery.state == SOUND:
        return "nothing to do"
    if recovery.state == EMPTY:
        return _restore_newest(recovery)
    return _mend_sqlite(recovery)


def _mend_sqlite(recovery: Recovery) -> str:
    path = sqlite_dump.file_of(recovery.settings.database_url)
    if holders := _holders(path):
        raise Stuck(f"{path} is damaged and in use by {holders}. Stop Quadra, its workers too, and run this again.")
    copy = path.with_name(f".{path.name}.mended")
    try:
        if salvage.repair_indexes(path, copy):
            aside = sqlite_dump.set_aside(path, "damaged")
            copy.rename(path)
            recovery.changes.append("indexes were built anew")
            return f"only indexes were damaged and were built anew, no row was lost; the old file is in {aside}"
    finally:
        for suffix in sqlite_dump.BESIDE:
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    _candidates(recovery)  # with nothing to restore, the damaged file stays where it is
    aside = sqlite_dump.set_aside(path, "damaged")
    assert aside is not None
    try:
        restored = _restore_newest(recovery)
    except Stuck:
        for suffix in sqlite_dump.BESIDE:
            old = aside / (path.name + suffix)
            if old.exists():
                old.rename(path.with_name(path.name + suffix))
        aside.rmdir()
        raise
    readable, new = salvage.salvage(recovery.runtime, aside / path.name)
    return (
        f"{restored}; the damaged file is in {aside}: {readable:,} events were readable, {new:,} of them newer and kept"
    )


def _candidates(recovery: Recovery) -> tuple[Kept, ...]:
    backups = recovery.stores.of_database()
    if not backups:
        places = " or ".join(store.place for store in recovery.stores.all)
        raise Stuck(
            f"there is no backup in {places}. Name where they lie (QUADRA_BACKUP_DIR, QUADRA_BACKUP_SECONDARY_DIR, "
            "QUADRA_BACKUP_S3), or begin anew with `quadra init`."
        )
    return backups


def _restore_newest(recovery: Recovery) -> str:
    """The newest that restores: each is proven, by its hashes and rows, before it takes the place."""
    failed = []
    for kept in _candidates(recovery):
        try:
            done = restore(recovery.runtime, kept, yes=False, say=lambda _line: None)
        except QuadraError as error:
            failed.append(f"{kept.manifest.id}: {error.message}")
            continue
        mark_verified(kept.stores, kept.manifest.id, verified(LEVELS[-1], done.rows))
        recovery.changes.append(f"restored {done.id}")
        skipped = f" ({'; '.join(failed)})" if failed else ""
        return f"restored {done.id}, proven just now: {done.events:,} events, of {done.created_at}{skipped}"
    raise Stuck("no backup restores: " + "; ".join(failed))


def migrate_schema(recovery: Recovery) -> str:
    head = migrate.head()
    current = migrate.current(recovery.runtime.database)
    if current == head:
        return f"at {head}"
    if current is not None and not migrate.knows(current):
        raise Stuck(migrate.newer(current))
    migrate.upgrade(recovery.runtime.database)
    recovery.changes.append("migrated")
    return f"migrated from {current} to {head}"


def _holders(path: Path) -> str:
    """Who on this machine has the file open."""
    holders = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if any(one.path == str(path) for one in process.open_files()) and process.pid != psutil.Process().pid:
                holders.append(f"{process.info['name']} ({process.pid})")
        except psutil.Error:
            continue
    return ", ".join(holders)


def _away(where: str, reason: str) -> str:
    return (
        f"{where} does not answer ({reason}). Start the server, or promote a replica: `quadra replica promote --help`."
    )
