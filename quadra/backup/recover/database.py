"""The database's part of a recovery: is it sound, empty, damaged, away; and back from the newest backup that restores."""

from __future__ import annotations

from pathlib import Path

import psutil
import sqlalchemy as sa

from quadra.backup.dumps import databases
from quadra.backup.dumps import postgres as postgres_dump
from quadra.backup.dumps import sqlite as sqlite_dump
from quadra.backup.recover import salvage
from quadra.backup.recover.context import Scene, Stuck
from quadra.backup.recover.restore import restore, shown
from quadra.backup.stores.manifest import Damage
from quadra.backup.stores.stores import Kept
from quadra.backup.take import mark_verified
from quadra.backup.verify import LEVELS, verified
from quadra.core import migrate, presence
from quadra.core.errors import QuadraError, Unavailable

SOUND, EMPTY, DAMAGED = "sound", "empty", "damaged"


def look(scene: Scene) -> str:
    """What is there."""
    settings = scene.settings
    where = shown(settings)
    if settings.is_sqlite:
        path = sqlite_dump.file_of(settings.database_url)
        if not path.exists() or not path.stat().st_size:
            scene.state = EMPTY
            return f"there is no database at {where}"
        try:
            sqlite_dump.check_integrity(path)
        except Damage as error:
            scene.state, scene.why = DAMAGED, error.message
            return error.message
    elif settings.database_url.startswith("postgresql"):
        try:
            undone = postgres_dump.undo_interrupted(settings)
        except Unavailable as error:
            raise Stuck(_away(where, error.message)) from error
        if undone:
            scene.changes.append(undone)
    return _ask(scene, where)


def _ask(scene: Scene, where: str) -> str:
    try:
        migrate.wait_until_there(scene.runtime.database, seconds=5)
        with scene.runtime.database.engine.connect() as connection:
            counts = databases.counts(connection)
            if not counts:
                scene.state = EMPTY
                return f"{where} has no tables"
            events = databases.events(connection, databases.segments(connection)) if "segment" in counts else 0
        if "web_process" in counts:
            with scene.runtime.database.read() as session:
                scene.running = ", ".join(row.name for row in presence.alive(session))
    except Unavailable as error:
        raise Stuck(_away(where, error.message)) from error
    except sa.exc.DBAPIError as error:
        raise Stuck(
            f"{where} answers, but its tables cannot be read: {error.orig}. Restore the cluster with `quadra pitr`, or make "
            "the database empty and run this again."
        ) from error
    scene.state = SOUND
    served = f"; {scene.running} serves it" if scene.running else ""
    return f"{where} is sound: {sum(counts.values()):,} rows, {events:,} events{served}"


def repair(scene: Scene) -> str:
    """Bring back what is not there or not sound."""
    if scene.state == SOUND:
        return "nothing to do"
    if scene.state == EMPTY:
        return _restore_newest(scene)
    return _mend_sqlite(scene)


def _mend_sqlite(scene: Scene) -> str:
    path = sqlite_dump.file_of(scene.settings.database_url)
    if holders := _holders(path):
        raise Stuck(f"{path} is damaged and in use by {holders}. Stop Quadra, its workers too, and run this again.")
    copy = path.with_name(f".{path.name}.mended")
    try:
        if salvage.repair_indexes(path, copy):
            aside = sqlite_dump.set_aside(path, "damaged")
            copy.rename(path)
            scene.changes.append("indexes were built anew")
            return f"only indexes were damaged and were built anew, no row was lost; the old file is in {aside}"
    finally:
        for suffix in sqlite_dump.BESIDE:
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    _candidates(scene)  # with nothing to restore, the damaged file stays where it is
    aside = sqlite_dump.set_aside(path, "damaged")
    assert aside is not None
    try:
        said = _restore_newest(scene)
    except Stuck:
        for suffix in sqlite_dump.BESIDE:
            old = aside / (path.name + suffix)
            if old.exists():
                old.rename(path.with_name(path.name + suffix))
        aside.rmdir()
        raise
    readable, new = salvage.salvage(scene.runtime, aside / path.name)
    return f"{said}; the damaged file is in {aside}: {readable:,} events were readable, {new:,} of them newer and kept"


def _candidates(scene: Scene) -> tuple[Kept, ...]:
    found = scene.stores.of_database()
    if not found:
        places = " or ".join(store.place for store in scene.stores.all)
        raise Stuck(
            f"there is no backup in {places}. Name where they lie (QUADRA_BACKUP_DIR, QUADRA_BACKUP_SECONDARY_DIR, "
            "QUADRA_BACKUP_S3), or begin anew with `quadra init`."
        )
    return found


def _restore_newest(scene: Scene) -> str:
    """The newest that restores: each is proven, by its hashes and rows, before it takes the place."""
    failed = []
    for kept in _candidates(scene):
        try:
            done = restore(scene.runtime, kept, yes=False, say=lambda _line: None)
        except QuadraError as error:
            failed.append(f"{kept.manifest.id}: {error.message}")
            continue
        mark_verified(kept.stores, kept.manifest.id, verified(LEVELS[-1], done.rows))
        scene.changes.append(f"restored {done.id}")
        skipped = f" ({'; '.join(failed)})" if failed else ""
        return f"restored {done.id}, proven just now: {done.events:,} events, of {done.created_at}{skipped}"
    raise Stuck("no backup restores: " + "; ".join(failed))


def migrate_schema(scene: Scene) -> str:
    head = migrate.head()
    current = migrate.current(scene.runtime.database)
    if current == head:
        return f"at {head}"
    if current is not None and not migrate.knows(current):
        raise Stuck(migrate.newer(current))
    migrate.upgrade(scene.runtime.database)
    scene.changes.append("migrated")
    return f"migrated from {current} to {head}"


def _holders(path: Path) -> str:
    """Who on this machine has the file open."""
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if any(one.path == str(path) for one in process.open_files()) and process.pid != psutil.Process().pid:
                found.append(f"{process.info['name']} ({process.pid})")
        except psutil.Error:
            continue
    return ", ".join(found)


def _away(where: str, reason: str) -> str:
    return (
        f"{where} does not answer ({reason}). Start the server, or promote a replica: `quadra replica promote --help`."
    )
