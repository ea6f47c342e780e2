"""`quadra backup prune`, `tar` and `schedule`: what cron and people do with backups that are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from quadra.accounts.terminal import json_option, say
from quadra.backup.one_tar import write_tar
from quadra.backup.schedule import entries
from quadra.backup.stores import retention
from quadra.backup.stores.stores import Stores
from quadra.core import clock
from quadra.core.errors import Misconfigured, NotFound
from quadra.core.settings import load

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup_automated_backups.sh"


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would go, remove nothing.")
@json_option
def prune(dry_run: bool, as_json: bool) -> None:
    """Remove what the retention does not keep. The newest that was restored on trial always stays."""
    done = retention.prune(load(), dry_run=dry_run)
    body = {"removed": done.backups, "objects": done.objects, "kept": done.kept, "dry_run": dry_run}
    verb = "Would remove" if dry_run else "Removed"
    lines = [
        *(f"{backup_id} stays: {why}." for backup_id, why in sorted(done.kept.items())),
        *(f"{verb} {backup_id}." for backup_id in done.backups),
        f"{verb} {len(done.backups)} backups and {done.objects} copies of segments that no other lists.",
    ]
    say(as_json, body | {"problems": done.problems}, lines)
    for problem in done.problems:
        click.echo(problem, err=True)
    if done.problems:
        sys.exit(1)


@click.command("tar")
@click.argument("backup_id", metavar="ID", default="latest")
@click.option("--to", type=click.Path(path_type=Path), default=".", help="A file, or a directory.", show_default=True)
@json_option
def tar(backup_id: str, to: Path, as_json: bool) -> None:
    """Write a backup as one tar that needs no Quadra to be read; by default the latest full one.

    It is not encrypted, also where the backup is. Its hash is put beside it, for `sha256sum -c`.
    """
    settings = load()
    stores = Stores(settings)
    if backup_id == "latest":
        full = (one.manifest.id for one in stores.list() if one.manifest.kind == "full")
        backup_id = next(full, "")
        if not backup_id:
            raise NotFound("There is no full backup. Make one: quadra backup take")
    kept = stores.find(backup_id)
    path = to / f"{backup_id}.tar" if to.is_dir() else to
    digest = write_tar(settings, kept, path)
    body = {"id": backup_id, "path": str(path.absolute()), "sha256": digest, "bytes": path.stat().st_size}
    say(as_json, body, [f"{path} holds {backup_id}: {body['bytes']:,} bytes, not encrypted.", f"  sha256 {digest}"])


@click.command("schedule")
@click.argument("action", type=click.Choice(["show", "install", "remove"]), default="show")
def schedule(action: str) -> None:
    """Show when backups are taken. Or put them into this user's crontab, or take them out of it."""
    settings = load()
    if action == "show":
        now = clock.now()
        click.echo(f"The worker takes backups: {'yes' if settings.backup_schedule else 'no (QUADRA_BACKUP_SCHEDULE)'}.")
        for entry in entries(settings):
            click.echo(f"  {entry.what:<9} last due {clock.iso(entry.slot(now))}")
    if not SCRIPT.exists():
        raise Misconfigured(f"{SCRIPT} is missing: this is no checkout of Quadra.")
    done = subprocess.run(["bash", str(SCRIPT), action], check=False)
    sys.exit(done.returncode)
