"""Bring a backup back: everything is fetched and checked beside what is there, which is replaced last and at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from quadra.analytics.kept.annotations import annotate_all
from quadra.backup.dumps import databases
from quadra.backup.dumps import sqlite as sqlite_dump
from quadra.backup.recover.replay_erasures import erase_again, merge_erasures
from quadra.backup.stores.cipher import Key
from quadra.backup.stores.manifest import Manifest
from quadra.backup.stores.packing import check_hash, unpack
from quadra.backup.stores.segment_copies import fetch, local_path, sound
from quadra.backup.stores.stores import Kept, Stores
from quadra.backup.take import dumper_of, models_directory, take
from quadra.backup.verify import check_restored, key_for, parts_of, scratch_directory, unpack_models
from quadra.core import clock, migrate, presence
from quadra.core.database import Database
from quadra.core.errors import Conflict, Invalid, NotFound, QuadraError
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings

Say = Callable[[str], object]


@dataclass(slots=True)
class Restored:
    id: str
    target: str
    created_at: str
    rows: int = 0
    events: int = 0
    segments: int = 0
    missing_segments: list[str] = field(default_factory=list)
    erasures: int = 0
    safety_backup: str = ""
    old_database: str = ""
    seconds: float = 0


def restore(runtime: Runtime, kept: Kept, *, yes: bool, say: Say) -> Restored:
    """Restore a backup into the database and the data directory that the settings name.

    Raises `Conflict` where something is there and `yes` was not said, or a web process runs; `Damage` where the backup is
    not sound. Then, and on every other error, the old database is as it was.
    """
    settings, began = runtime.settings, time.monotonic()
    manifest, key = kept.manifest, key_for(kept.manifest, settings)
    _require_fit(settings, manifest)
    result = Restored(manifest.id, shown(settings), clock.iso(manifest.created_at))
    state = state_of(settings)
    if state.running:
        raise Conflict(f"A web process serves this database ({state.running}). Stop Quadra first, its workers too.")
    if state.rows and not yes:
        raise Conflict(
            f"{result.target} is not empty: it has {state.rows:,} rows. With --yes a safety backup of it is taken first, "
            "and then it is replaced."
        )
    if state.rows:
        say("Taking a safety backup of what is there")
        result.safety_backup = take(settings, "database", safety=True).id
    stores = Stores(settings)
    with parts_of(kept, stores) as directory, scratch_directory(stores.home.root) as scratch:
        for part in manifest.parts:
            check_hash(directory / part.file, part)
        database = manifest.part("database")
        if database is not None:
            result.segments, result.missing_segments = fetch_segments(settings, stores, kept, key)
            say(f"Unpacking {database.bytes / 2**20:,.1f} MB")
            unpack(directory / database.file, database, key, scratch / "dump")

            def check(url: str) -> None:
                say("Checking the restored rows against the manifest, and migrating to the schema of this version")
                result.rows, result.events = check_restored(url, manifest)
                fresh = Database(url, pool_size=1)
                try:
                    migrate.upgrade(fresh)  # before anything is replaced: what this version cannot read is refused
                finally:
                    fresh.dispose()

            runtime.database.dispose()
            say(f"Restoring into {result.target}")
            result.old_database = dumper_of(settings).replace(settings, scratch / "dump", scratch, check)
        if manifest.part("models"):
            unpack_models(directory, manifest, key, models_directory(settings), scratch)
    if database is not None:
        say("Repeating erasures")
        with runtime.database.begin() as session:
            session.execute(sa.delete(presence.WebProcess))  # who served the database when it was copied
            annotate_all(session, f"Backup of {result.created_at} restored", source="restore")
        for line in merge_erasures(settings, stores):
            say(line)
        result.erasures = erase_again(runtime)
    result.seconds = round(time.monotonic() - began, 3)
    return result


@dataclass(frozen=True)
class State:
    """What is in the place that a restore goes to."""

    rows: int
    running: str


def state_of(settings: Settings) -> State:
    """Raises `Unavailable` where the server is away. A SQLite file that is damaged counts as not empty."""
    if settings.is_sqlite:
        path = sqlite_dump.file_of(settings.database_url)
        if not path.exists() or not path.stat().st_size:
            return State(0, "")
    database = Database(settings.database_url, pool_size=1)
    try:
        migrate.wait_until_there(database, seconds=5)
        with database.engine.connect() as connection:
            rows = sum(databases.counts(connection).values())
            serving = "web_process" in databases.counts(connection)
        with database.read() as session:
            names = [row.name for row in presence.alive(session)] if serving else []
    except QuadraError:
        raise
    except Exception as error:
        if settings.is_sqlite:  # not a database, or a torn one: there is something
            return State(1, "")
        raise Conflict(f"{shown(settings)} cannot be read: {error}") from error
    finally:
        database.dispose()
    return State(rows, ", ".join(names))


def fetch_segments(settings: Settings, stores: Stores, kept: Kept, key: Key | None) -> tuple[int, list[str]]:
    """Bring every segment of the backup to its place; how many were fetched, and which no store has."""
    fetched, missing = 0, []
    for segment in kept.manifest.segments:
        place = local_path(settings, segment.path)
        if sound(place, segment):
            continue
        try:
            fetch([*kept.stores, *stores.all], segment, key, place)
            fetched += 1
        except NotFound:
            missing.append(segment.path)
    return fetched, missing


def shown(settings: Settings) -> str:
    """The database as people say it, without its password."""
    if settings.is_sqlite:
        return str(sqlite_dump.file_of(settings.database_url))
    return repr(Database(settings.database_url, pool_size=1).url)


def _require_fit(settings: Settings, manifest: Manifest) -> None:
    here = settings.database_url.partition(":")[0].partition("+")[0]
    if manifest.dialect and manifest.dialect != here:
        raise Invalid(
            f"{manifest.id} is of {manifest.dialect}, and DATABASE_URL names {here}. A backup goes back into its own kind of "
            "database; `quadra import` moves events between kinds."
        )
    if manifest.revision and not migrate.knows(manifest.revision):
        raise Invalid(f"{manifest.id} cannot be restored by this version. {migrate.newer(manifest.revision)}")
