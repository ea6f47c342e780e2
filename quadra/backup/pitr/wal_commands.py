"""`quadra wal`: the archive of PostgreSQL's write-ahead log, which point-in-time recovery replays."""

from __future__ import annotations

import sys
import time
import zlib
from pathlib import Path
from typing import Any

import click

from quadra.accounts.terminal import json_option, say
from quadra.backup import wal_archive
from quadra.backup.pitr import base_store, wal_chain
from quadra.backup.pitr.point_in_time import archive_of
from quadra.core.errors import Conflict, QuadraError
from quadra.core.settings import load


class PushFailed(QuadraError):
    """PostgreSQL keeps the file and tries again."""

    code = "wal_not_archived"


@click.group()
def wal() -> None:
    """The archive of PostgreSQL's write-ahead log."""


@wal.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("name")
def push(path: Path, name: str) -> None:
    """Put one file into the archive. It is on the disk then: archive_command = 'quadra wal push %p %f'."""
    try:
        wal_archive.push(archive_of(load()), path, name)
    except (OSError, EOFError, zlib.error, wal_archive.Refused) as error:
        raise PushFailed(f"{name} is not archived: {error}") from error


@wal.command()
def setup() -> None:
    """Print what PostgreSQL's configuration needs."""
    archive = archive_of(load())
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    for line in (
        "# postgresql.conf; archive_mode needs a restart. The program needs Python alone and may be copied elsewhere.",
        "# PostgreSQL's own user must be able to write to the directory.",
        "wal_level = replica",
        "archive_mode = on",
        f'archive_command = \'{python} {wal_archive.__file__} push {archive} "%p" "%f"\'',
        "archive_timeout = 60    # the most that is lost with the machine, in seconds",
        "wal_log_hints = on      # lets an old primary come back by pg_rewind",
    ):
        click.echo(line)


@wal.command()
@click.option("--read", "thorough", is_flag=True, help="Also read every segment back.")
@json_option
def verify(thorough: bool, as_json: bool) -> None:
    """Name missing segments, and damaged ones. Damage is found with --read alone."""
    archive = archive_of(load())
    names = wal_chain.archived(archive)
    known = wal_archive.identity(archive)
    if not names or known is None:
        raise Conflict(f"There is no WAL in {archive}. Next: quadra wal setup")
    first = wal_chain.parse(names[0], known["segment_bytes"])
    chain = wal_chain.follow(archive, timeline=first.timeline, start=first.number * known["segment_bytes"])
    broken = list(wal_chain.damaged(archive, tuple(names))) if thorough else []
    body = {
        "ok": not chain.gaps and not broken,
        "segments": len(names),
        "first": names[0],
        "last": names[-1],
        "timeline": chain.timeline,
        "gaps": [{"first": gap.first, "last": gap.last, "count": gap.count} for gap in chain.gaps],
        "damaged": [{"name": name, "what": what} for name, what in broken],
    }
    lines = [f"{len(names)} segments in {archive}, from {names[0]} to {names[-1]}."]
    lines += [f"GAP: {gap}" for gap in chain.gaps] + [f"DAMAGED: {name}: {what}" for name, what in broken]
    say(
        as_json,
        body,
        [*lines, *(["Nothing is missing." + (" All can be read." if thorough else "")] if body["ok"] else [])],
    )
    if not body["ok"]:
        sys.exit(1)


@wal.command()
@json_option
def base(as_json: bool) -> None:
    """Take a base backup. The whole cluster, onto which the archived WAL is replayed."""
    settings = load()
    shown = click.progressbar(length=1, label="Base backup", hidden=as_json or not sys.stdout.isatty())
    with shown as bar:
        began = time.monotonic()
        manifest, path = base_store.take(settings, lambda done, about: _progress(bar, done, about))
    body = {"id": manifest.id, "path": str(path), "sha256": manifest.sha256, "bytes": manifest.bytes}
    megabytes, seconds = manifest.bytes / 2**20, time.monotonic() - began
    say(as_json, body, [f"{manifest.id}: {megabytes:.1f} MB in {seconds:.1f} s, in {path}."])


@wal.command()
@click.option("--keep", type=click.IntRange(1), help="Base backups that stay. [default: QUADRA_BASE_KEEP]")
@click.option("--dry-run", is_flag=True, help="Say what goes, remove nothing.")
@json_option
def prune(keep: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove old base backups, and their WAL. The newest that was verified stays."""
    settings = load()
    gone, segments = base_store.prune(settings, archive_of(settings), keep=keep or settings.base_keep, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    body = {"dry_run": dry_run, "backups": gone, "segments": segments}
    say(as_json, body, [f"{len(gone)} base backups and {len(segments)} segments {verb}.", *gone])


def _progress(bar: Any, done: int, about: int) -> None:
    """The size is an estimate until the end: the bar never says more than it knows."""
    bar.length = max(about, done)
    bar.update(done - bar.pos)
