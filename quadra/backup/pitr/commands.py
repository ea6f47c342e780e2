"""`quadra pitr`: the database as it was at a moment, in a cluster beside the living one."""

from __future__ import annotations

import shlex
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from quadra.accounts.terminal import json_option, say
from quadra.backup.dumps.postgres_programs import person
from quadra.backup.pitr import base_store
from quadra.backup.pitr import cluster as pitr_cluster
from quadra.backup.pitr import point_in_time as pitr
from quadra.backup.pitr.cluster import Place
from quadra.backup.pitr.plan import OutOfReach, Plan, parse_target
from quadra.backup.stores import catalogue as kept_backups
from quadra.core import clock
from quadra.core.networks import free_port
from quadra.core.settings import Settings, load


class Moment(click.ParamType[Any]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_target(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-31T14:03:00Z (UTC unless it says otherwise), nor latest")


@click.command("pitr")
@click.option("--to", "target", type=Moment(), required=True, help="A time, or latest.")
@click.option("--directory", type=click.Path(path_type=Path), help="For the recovered cluster. [default: in DATA_DIR]")
@click.option("--port", type=click.IntRange(1, 65535), help="For the recovered cluster. [default: a free one]")
@click.option("--as-user", help="Who shall own it; for root only. [default: postgres]")
@click.option("--dry-run", is_flag=True, help="Say how, change nothing.")
@json_option
def recover_to(
    target: datetime | None, directory: Path | None, port: int | None, as_user: str | None, dry_run: bool, as_json: bool
) -> None:
    """Recover the database (PostgreSQL) as it was at a moment, beside the living one, which is not touched."""
    settings = load()
    if not settings.database_url.startswith("postgresql"):
        _nearest_backup(settings, target, as_json)
        return
    archive = pitr.archive_of(settings)
    who = person(as_user)
    began = time.monotonic()
    tell = (lambda _line: None) if as_json else click.echo
    living = pitr.ask_living(settings, archive, target)
    tell(
        f"The living server archived its log until {clock.iso(living.archived_until)}."
        if living.archived_until
        else f"The living server is away ({living.why_not}): the archive is all there is."
    )
    plan = pitr.plan(settings, base_store.bases(settings), archive, target)
    directory = (directory or settings.data_dir / f"pitr-{clock.now():%Y%m%dT%H%M%SZ}").absolute()
    place = Place(directory, port or free_port(), who)
    pitr_cluster.check_place(place, plan, living.data_directory)
    body = _body(plan, place, dry_run)
    tell(
        f"From the base backup {plan.base.id} over {len(plan.chain.segments)} segments into {directory}, port {place.port}."
    )
    if dry_run:
        say(as_json, body, ["Nothing was changed."])
        return
    found = pitr.recover(settings, plan, place, archive, lambda step: tell(f"  {step}"))
    commands = pitr.switch_over(settings, place, plan.base.facts.major)
    body |= {"found": found, "switch_over": commands, "seconds": round(time.monotonic() - began, 1)}
    say(as_json, body, _lines(settings, body))


def _nearest_backup(settings: Settings, target: datetime | None, as_json: bool) -> None:
    """Without PostgreSQL's log the moments are those of backups: the last one before, and the command that restores it.

    Raises `OutOfReach` where none is old enough.
    """
    points = [entry for entry in kept_backups.entries(settings) if entry.kind != "models"]
    if not points:
        raise OutOfReach("There is no backup of the database. Next: quadra backup take")
    wanted = target or clock.now()
    before = [entry for entry in points if datetime.fromisoformat(entry.created_at) <= wanted]
    if not before:
        earliest = points[-1].created_at
        raise OutOfReach(
            f"{clock.iso(wanted)} is before the first backup. The earliest reachable moment is {earliest}.",
            fields={"to": f"{earliest} or later"},
        )
    nearest, command = before[0], f"quadra restore --id {before[0].id} --yes"
    body = {
        "ok": True,
        "dry_run": True,
        "backup": nearest,
        "points": points,
        "command": command,
    }
    others = [f"  {entry.created_at}  {entry.id}" for entry in points]
    lines = [
        "This database has no log to replay: the moments to go back to are its backups.",
        f"The last one before is {nearest.id} of {nearest.created_at}. Nothing was changed. With Quadra stopped:",
        f"  {command}",
        "All of them, newest first:",
        *others,
    ]
    say(as_json, body, lines)


def _body(plan: Plan, place: Place, dry_run: bool) -> dict[str, Any]:
    return {
        "ok": True,
        "dry_run": dry_run,
        "target": clock.iso(plan.target) if plan.target else "latest",
        "base": plan.base.id,
        "segments": len(plan.chain.segments),
        "last_commit": clock.iso_or_none(plan.last_commit),
        "directory": str(place.directory),
        "port": place.port,
        "log": str(place.log),
    }


def _lines(settings: Settings, body: dict[str, Any]) -> list[str]:
    recovered = body["found"]
    rows = ", ".join(f"{name} {count:,}" for name, count in recovered["rows"].items())
    last = recovered["last_event"]
    revision = "is this version's" if recovered["revision"] == recovered["head"] else "is migrated at the next start"
    return [
        "",
        f"Recovered in {body['seconds']} s: {recovered['recovery'] or 'to the end of the log'}.",
        f"Rows: {rows or 'none; Quadra had no tables at that moment'}.",
        f"Last event: received {last['received_at']}, occurred {last['occurred_at']}."
        if last
        else "No event is in it.",
        f"Schema: {recovered['revision']}, which {revision}.",
        f"It runs at 127.0.0.1:{body['port']}, in {shlex.quote(body['directory'])}. The living database was not touched.",
        "",
        "To switch over:",
        *body["switch_over"],
    ]
