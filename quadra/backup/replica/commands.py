"""`quadra replica`: how replication is, make a replica the primary, bring the old primary back."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from msgspec import to_builtins

from quadra.accounts.terminal import json_option, say, table
from quadra.backup.dumps.postgres_programs import person
from quadra.backup.replica import rejoin as replica_rejoin
from quadra.backup.replica.promotion import MOST_BYTES, Wanted, shown
from quadra.backup.replica.promotion import promote as promote_replica
from quadra.backup.replica.promotion_checks import PromotionStep
from quadra.backup.replica.rejoin import Rejoin
from quadra.backup.replica.sides import address, replica_url
from quadra.backup.replica.status import UNHEALTHY, replication_status
from quadra.core.settings import load

REPLICA_FIELDS = ("client_addr", "name", "state", "sync_state", "lag_bytes", "lag_seconds", "status")
CONFIGURED_FIELDS = ("address", "lag_bytes", "status", "message")


@click.group()
def replica() -> None:
    """The database's replicas (PostgreSQL)."""


@replica.command("status")
@json_option
def show_status(as_json: bool) -> None:
    """How far behind the replicas are. By the primary, and by each replica of QUADRA_REPLICAS."""
    status = replication_status(load())
    lines = [f"{status.overall_status}: {status.message}"]
    if status.replicas:
        lines += ["", "As the primary sees them:", *table(REPLICA_FIELDS, _zeros(to_builtins(status.replicas)))]
    if status.configured:
        lines += ["", "As they see themselves:", *table(CONFIGURED_FIELDS, _zeros(to_builtins(status.configured)))]
    say(as_json, status, lines)
    if status.overall_status == UNHEALTHY:
        sys.exit(1)


@replica.command()
@click.argument("target")
@click.option("--confirm-fenced", is_flag=True, help="Your word that the old primary cannot write any more.")
@click.option(
    "--accept-loss", is_flag=True, help="Also where more may be lost than --most-bytes, or nobody knows how much."
)
@click.option("--most-bytes", type=click.IntRange(0), default=MOST_BYTES, show_default=True)
@click.option(
    "--wait", type=click.FloatRange(0), default=60, show_default=True, help="Seconds for a replica to notice."
)
@click.option("--dry-run", is_flag=True, help="Make every check, change nothing.")
@json_option
def promote(
    target: str,
    confirm_fenced: bool,
    accept_loss: bool,
    most_bytes: int,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a replica the primary, once that is lost. TARGET is host:port or a URL.

    Refused while the primary lives. Assisted, not automatic: it checks and shows, you decide.
    """
    wanted = Wanted(target, confirm_fenced, accept_loss, most_bytes, dry_run, wait)
    outcome = promote_replica(load(), wanted, (lambda _step: None) if as_json else _tell)
    if outcome.promoted:
        lines = ["", f"{outcome.target} is the primary, on timeline {outcome.timeline}.", "Next:"]
    elif outcome.ok:
        lines = ["", "Nothing was changed. A real run promotes it now. After that:"]
    else:
        lines = ["", f"Not promoted: {', '.join(step.name for step in outcome.failed)}."]
    say(as_json, shown(outcome), [*lines, *(f"  - {step}" for step in outcome.next_steps)])
    if not outcome.ok:
        sys.exit(1)


@replica.command()
@click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Of the old primary, on this machine.")
@click.option("--primary", required=True, help="The new one: host:port or a URL.")
@click.option("--name", default="rejoined", show_default=True, help="What the new primary calls it.")
@click.option("--config-file", type=click.Path(path_type=Path), help="Where it is not in the data directory (Debian).")
@click.option("--as-user", help="Who owns the data; for root only. [default: postgres]")
@click.option("--no-start", is_flag=True, help="You start it yourself, for example with systemctl.")
@click.option("--dry-run", is_flag=True, help="Check, change nothing.")
@json_option
def rejoin(
    data_dir: Path,
    primary: str,
    name: str,
    config_file: Path | None,
    as_user: str | None,
    no_start: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the old primary back as a replica. By pg_rewind; it must be stopped."""
    settings = load()
    url = replica_url(settings, primary)
    wanted = Rejoin(
        data_dir.absolute(), url, person(as_user), name, config_file=config_file, dry_run=dry_run, start=not no_start
    )
    steps: list[str] = []

    def say_step(step: str) -> None:
        steps.append(step)
        if not as_json:
            click.echo(step)

    state = replica_rejoin.rejoin(settings, wanted, say_step)
    body = {"ok": True, "dry_run": dry_run, "state": state, "primary": address(url), "steps": steps}
    say(as_json, body, [f"It is {state} from {address(url)}."] if state else ["Done."])


def _tell(step: PromotionStep) -> None:
    click.echo(f"{step.status.upper():4}  {step.name}: {step.message}")


def _zeros(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """A lag of nothing is shown as 0, not as an absent value."""
    return [{key: str(value) if value is not None else None for key, value in row.items()} for row in rows]
