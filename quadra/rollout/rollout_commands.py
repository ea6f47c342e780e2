"""`quadra rollout`: the directory, the watcher, and what others ask it. No command of these opens the database."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from quadra.core.durable import write_whole
from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings, load
from quadra.rollout import elsewhere, requests
from quadra.rollout.balancers import BALANCERS
from quadra.rollout.fleet import described
from quadra.rollout.place import NAME, Place, Plan, place_of
from quadra.rollout.platforms import PLATFORMS, run
from quadra.rollout.records import Deployment, history, load_state
from quadra.rollout.watching import watch

directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of this rollout, instead of QUADRA_ROLLOUT_DIR or rollout/ in DATA_DIR.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("rollout")
def rollout() -> None:
    """Releases without a failed request: watch, deploy, look."""


@rollout.command("init")
@click.option("--public-port", required=True, type=click.IntRange(1, 65535), help="Of the balancer.")
@click.option(
    "--replicas", default=2, show_default=True, type=click.IntRange(1, 32), help="Web processes of a release."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0, 32), help="Workers of a release.")
@click.option("--balancer", default="haproxy", show_default=True, type=click.Choice(list(BALANCERS)))
@directory_option
@json_option
def init_place(
    public_port: int, replicas: int, workers: int, balancer: str, directory: Path | None, as_json: bool
) -> None:
    """Make the directory and its rollout.json; starts nothing. The next `watch` goes by it."""
    place = place_of(load(), directory)
    place.make()
    plan = Plan(public_port=public_port, replicas=replicas, workers=workers, balancer=balancer)
    write_whole(place.plan, msgspec.json.format(msgspec.json.encode(plan)) + b"\n")
    _say(
        as_json,
        {"directory": str(place.root), **msgspec.to_builtins(plan)},
        [f"{place.plan} is written.", f"Put releases into {place.releases}, then: quadra rollout watch"],
    )


@rollout.command("watch")
@click.option("--dry-run", is_flag=True, help="Heal nothing; write what it does not do into the history.")
@directory_option
def watch_place(dry_run: bool, directory: Path | None) -> None:
    """Keep what runs running, and deploy when asked. A second watcher stands by and takes over."""
    settings = load()
    if not settings.redis_configured or settings.is_sqlite:
        raise Misconfigured(
            "Two web processes serve beside each other during a deployment: set DATABASE_URL to PostgreSQL or MariaDB, and "
            "REDIS_URL."
        )
    watch(place_of(settings, directory), settings, _tell, dry_run=dry_run)


@rollout.command("deploy")
@click.argument("release", metavar="NAME")
@click.option("--on", "platform", type=click.Choice(list(PLATFORMS)), help="Where a platform keeps the processes.")
@click.option("--url", default="", help="With --on: where users ask, such as https://quadra.example.com.")
@click.option("--with", "options", multiple=True, metavar="NAME=VALUE", help="With --on: its names for things.")
@directory_option
@json_option
def deploy_release(
    release: str, platform: str | None, url: str, options: tuple[str, ...], directory: Path | None, as_json: bool
) -> None:
    """Have the watcher bring the release NAME of releases/ into use, and follow it to its end.

    With --on, NAME is the tag of an image, and this command itself has Compose, Kubernetes or Cloud Run do it.
    """
    settings = load()
    place = place_of(settings, directory)
    if platform is None:
        if url or options:
            raise click.UsageError("--url and --with say more about --on.")
        place.read_plan()
        ended = requests.follow(place, requests.ask(place, release, "cli"))
    else:
        ended = _deploy_elsewhere(place, settings, platform, release, url, options, quiet=as_json)
    seconds = (
        datetime.fromisoformat(ended.ended_at or ended.started_at) - datetime.fromisoformat(ended.started_at)
    ).total_seconds()
    body = {
        "deployment_id": ended.id,
        "release": ended.release,
        "status": ended.status,
        "reason": ended.reason,
        "failure_kind": ended.failure_kind,
        "figures": ended.figures,
        "seconds": round(seconds, 3),
    }
    lines = [f"{release}: {ended.status} in {seconds:.1f} s", *([ended.reason] if ended.reason else [])]
    _say(as_json, body, lines)
    sys.exit(0 if ended.status == "completed" else 1)


def _deploy_elsewhere(
    place: Place, settings: Settings, platform: str, release: str, url: str, options: tuple[str, ...], *, quiet: bool
) -> Deployment:
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("Say with --url where users ask, such as https://quadra.example.com.")
    if not NAME.fullmatch(release):
        raise click.UsageError("NAME is the tag of an image: letters, digits, dots, dashes and underscores.")
    if wrong := [one for one in options if "=" not in one]:
        raise click.UsageError(f"--with {wrong[0]}: write NAME=VALUE.")
    given = dict(one.split("=", 1) for one in options)
    found = PLATFORMS[platform](given, partial(run, inherited=os.environ))
    tell = _tell if not quiet else (lambda _: None)
    return elsewhere.deploy(place, found, release, url.rstrip("/"), settings, tell)


@rollout.command("status")
@directory_option
@json_option
def show_status(directory: Path | None, as_json: bool) -> None:
    """The release that serves, the watcher, and each process."""
    place = place_of(load(), directory)
    place.read_plan()
    state = load_state(place)
    rows = [described(kept) for kept in state.processes]
    pid = requests.watcher(place)
    body = {"release": state.release, "watcher": {"pid": pid}, "processes": rows}
    lines = [f"Release {state.release or 'none'}, watcher {pid or 'none'}"]
    lines += [f"  {row['name']:12} {row['state']:9} pid {row['pid']}, port {row['port'] or '-'}" for row in rows]
    _say(as_json, body, lines)


@rollout.command("history")
@directory_option
@json_option
def show_history(directory: Path | None, as_json: bool) -> None:
    """Deployments and what the watcher did by itself, newest first."""
    place = place_of(load(), directory)
    place.read_plan()
    found = history(place)
    lines = [f"{one.started_at}  {one.release}  {one.status}  {one.reason}" for one in found.deployments]
    lines += [f"{one.at}  {one.action} {one.target}  {one.outcome}  {one.reason}" for one in found.acts]
    _say(as_json, found, lines or ["Nothing was deployed yet."])


def _tell(line: str) -> None:
    """Whoever reads the watcher's words may go away; it goes on."""
    with suppress(OSError):
        click.echo(line)


def _say(as_json: bool, body: msgspec.Struct | Mapping[str, Any], lines: Sequence[str]) -> None:
    click.echo(json.dumps(msgspec.to_builtins(body), ensure_ascii=False) if as_json else "\n".join(lines))
