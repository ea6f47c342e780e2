"""`quadra backup` and `quadra restore`. Errors are left to `cli.py`; a backup that is not sound ends with exit code 1."""

from __future__ import annotations

import sys
import time

import click
from msgspec import UNSET, Struct, UnsetType, structs

from quadra.accounts.terminal import json_option, opened, say, table
from quadra.backup.pitr import base_store
from quadra.backup.recover.restore import restore, shown, state_of
from quadra.backup.stores.manifest import KINDS, Manifest
from quadra.backup.stores.stores import Kept, Stores
from quadra.backup.take import Progress, take
from quadra.backup.upkeep_commands import prune, schedule, tar
from quadra.backup.verify import LEVELS, verify
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound
from quadra.core.migrate import refuse_newer
from quadra.core.settings import Settings, load
from quadra.ingest.importers import progress

BASE = "base"
MB = 2**20


@click.group()
def backup() -> None:
    """Backups: take, list, prove, prune, schedule, one tar."""


backup.add_command(prune)
backup.add_command(schedule)
backup.add_command(tar)


@backup.command("take")
@click.option("--kind", type=click.Choice([*KINDS, BASE]), default="full", show_default=True)
@json_option
def take_one(kind: str, as_json: bool) -> None:
    """Make a backup and copy it to every store.

    models: the online models. database: the database, its segments, the list of erasures. full: both, the
    settings without their secrets and the log files of a week. base: the whole PostgreSQL cluster, for `quadra pitr`.
    """
    began = time.monotonic()
    check = None if kind == "models" else refuse_newer
    with opened(check) as runtime, progress.shown(f"Backup ({kind})", None) as tell:
        settings, whole = runtime.settings, list[int]()
        if kind == BASE:
            base, path = base_store.take(settings, lambda done, _all: tell(done, f"{done / MB:,.0f} MB"))
            made = Made(id=base.id, path=str(path / base_store.TAR), sha256=base.sha256, bytes=base.bytes)
        else:

            def done(size: int) -> None:
                of = f" of about {whole[-1] / MB:,.0f}" if whole else ""
                tell(size, f"{size / MB:,.0f}{of} MB")

            made = described(settings, take(settings, kind, Progress(whole.append, done)))
    lines = [
        f"{made.id}  {made.bytes / MB:,.2f} MB in {time.monotonic() - began:.1f} s",
        f"  {made.path}",
        f"  sha256 {made.sha256}",
        f"A backup counts once it was restored: quadra backup verify {made.id}",
    ]
    say(as_json, made, lines)


class Made(Struct, kw_only=True):
    """What automation reads of a backup that was made: the file that holds most of it, and that file's hash."""

    id: str
    path: str
    sha256: str
    bytes: int
    rows: int | UnsetType = UNSET
    segments: int | UnsetType = UNSET


def described(settings: Settings, manifest: Manifest) -> Made:
    part = manifest.part("database") or manifest.parts[0]
    path = Stores(settings).home.root / manifest.id / part.file
    return Made(
        id=manifest.id,
        path=str(path),
        sha256=part.packed_sha256,
        bytes=part.packed_bytes,
        rows=manifest.rows,
        segments=len(manifest.segments),
    )


@backup.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """What is whole, and what is damaged. Newest first."""
    settings = load()
    stores = Stores(settings)
    in_stores, (bases, damaged_bases) = stores.look(), base_store.look(settings)
    damaged = [*in_stores.damaged, *damaged_bases]
    listed = [entry(kept) for kept in in_stores.kept]
    listed += [
        Entry(
            id=base.id,
            kind=base.kind,
            created_at=clock.iso(base.created_at),
            bytes=base.bytes,
            verified_at=(at := base_store.verified_at(settings, base.id)),
            verified_by="decompress" if at else None,
            stores=[str(base_store.directory(settings))],
        )
        for base in reversed(bases)
    ]
    fields = ("id", "kind", "created_at", "mb", "verified_at", "verified_by", "stores")
    rows = [
        {
            **structs.asdict(one),
            "mb": f"{one.bytes / MB:,.2f}",
            "kind": "safety" if one.safety else one.kind,
            "verified_at": one.verified_at or "never",
            "verified_by": one.verified_by or "",
            "stores": len(one.stores),
        }
        for one in listed
    ]
    empty = f"There is no backup in {stores.home.place}. Make one: quadra backup take"
    lines = [*(table(fields, rows) if rows else [empty]), *(f"Damaged: {said}" for said in damaged)]
    say(as_json, {"backups": listed, "damaged": damaged}, lines)


class Entry(Struct, kw_only=True):
    id: str
    kind: str
    created_at: str
    bytes: int
    verified_at: str | None
    verified_by: str | None
    stores: list[str]
    encrypted: bool = False
    safety: bool = False


def entry(kept: Kept) -> Entry:
    manifest = kept.manifest
    return Entry(
        id=manifest.id,
        kind=manifest.kind,
        created_at=clock.iso(manifest.created_at),
        bytes=manifest.bytes,
        verified_at=clock.iso(kept.verified.at) if kept.verified else None,
        verified_by=kept.verified.level if kept.verified else None,
        stores=[store.place for store in kept.stores],
        encrypted=bool(manifest.key_id),
        safety=manifest.safety,
    )


@backup.command("verify")
@click.argument("backup_id", metavar="ID")
@click.option("--level", type=click.Choice(LEVELS), default="restore", show_default=True)
@json_option
def verify_one(backup_id: str, level: str, as_json: bool) -> None:
    """Prove a backup. Its hashes; it decompresses; it restores into a database of its own. ID may be `latest`."""
    settings = load()
    if backup_id.startswith(f"{BASE}-"):
        base = base_store.verify(settings, backup_id)
        say(as_json, {"ok": True, "level": "decompress", "rows": 0, "id": base.id}, [f"{base.id} is whole."])
        return
    kept = latest(settings) if backup_id == "latest" else Stores(settings).find(backup_id)
    with progress.shown(f"Verifying {kept.manifest.id}", None) as tell:
        report = verify(settings, kept, level, lambda done: tell(done, f"{done / MB:,.0f} MB"))
    body = {
        "ok": report.ok,
        "level": report.level,
        "rows": report.rows,
        "events": report.events,
        "segments": report.segments,
        "id": report.id,
        "damage": report.damage,
    }
    sound = f"{report.id} is sound ({report.level}): {report.rows:,} rows, {report.segments:,} segments."
    say(as_json, body, [sound] if report.ok else report.damage)
    if not report.ok:
        sys.exit(1)


def latest(settings: Settings) -> Kept:
    """The newest backup that holds a database and that no restore took of what it replaced. Raises `NotFound`."""
    found = Stores(settings).of_database()
    if not found:
        raise NotFound(f"There is no backup in {' or '.join(store.place for store in Stores(settings).all)}.")
    return found[0]


@click.command("restore")
@click.option("--latest", "newest", is_flag=True, help="The newest backup of the database.")
@click.option("--id", "backup_id", help="This one.")
@click.option(
    "--yes", is_flag=True, help="Also where something is there: a safety backup is taken, then it is replaced."
)
@click.option("--dry-run", is_flag=True, help="Say what happens, change nothing.")
@json_option
def restore_command(newest: bool, backup_id: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Restore a backup into DATABASE_URL and DATA_DIR. Stop Quadra and its workers first."""
    if newest == bool(backup_id):
        raise Invalid("Which backup? Say --latest or --id ID; `quadra backup list` shows them.")
    with opened(None) as runtime:
        kept = Stores(runtime.settings).find(backup_id) if backup_id else latest(runtime.settings)
        made_at = clock.iso(kept.manifest.created_at)
        if dry_run:
            there = state_of(runtime.settings)
            what = {"id": kept.manifest.id, "created_at": made_at, "rows": kept.manifest.rows, "dry_run": True}
            what |= {"target": shown(runtime.settings), "target_rows": there.rows, "running": there.running}
            lines = [
                f"{kept.manifest.id} of {made_at} with {kept.manifest.rows:,} rows into {what['target']}",
                f"That has {there.rows:,} rows: it needs --yes, and a safety backup is taken first."
                if there.rows
                else "That is empty.",
                *([f"A web process serves it ({there.running}): stop Quadra first."] if there.running else []),
                "Nothing was changed.",
            ]
            say(as_json, what, lines)
            return
        tell = (lambda _line: None) if as_json else click.echo
        done = restore(runtime, kept, yes=yes, say=tell)
    body = {"ok": not done.missing_segments, **{name: getattr(done, name) for name in done.__slots__}}
    lines = [f"{done.id} is restored: {done.events:,} events in {done.seconds:.1f} s."]
    if done.erasures:
        lines.append(f"{done.erasures} erasures were repeated: nobody who was erased is back.")
    if done.safety_backup:
        lines.append(f"What was there before is in {done.safety_backup}.")
    if done.old_database:
        lines.append(f"The old file was moved to {done.old_database}.")
    lines += [f"Segment {path} is in no store." for path in done.missing_segments]
    say(as_json, body, lines)
    if done.missing_segments:
        sys.exit(1)
