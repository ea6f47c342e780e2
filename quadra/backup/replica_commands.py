"""`quadra replica`: how replication is. Exit code 1 where it is unhealthy."""

from __future__ import annotations

import sys

import click

from quadra.accounts.terminal import json_option, say, table
from quadra.backup.replica_status import UNHEALTHY, replication_status
from quadra.core.settings import load

REPLICA_FIELDS = ("client_addr", "name", "state", "sync_state", "lag_bytes", "lag_seconds", "status")
CONFIGURED_FIELDS = ("address", "lag_bytes", "status", "message")


@click.group()
def replica() -> None:
    """The database's replicas (PostgreSQL)."""


@replica.command("status")
@json_option
def show_status(as_json: bool) -> None:
    """What the primary says of its replicas, and each replica of QUADRA_REPLICAS of itself."""
    status = replication_status(load())
    lines = [f"{status['overall_status']}: {status['message']}"]
    if status["replicas"]:
        lines += ["", "As the primary sees them:", *table(REPLICA_FIELDS, _zeros(status["replicas"]))]
    if status["configured"]:
        lines += ["", "As they see themselves:", *table(CONFIGURED_FIELDS, _zeros(status["configured"]))]
    say(as_json, status, lines)
    if status["overall_status"] == UNHEALTHY:
        sys.exit(1)


def _zeros(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """A lag of nothing is shown as 0, not as an absent value."""
    return [{key: str(value) if value is not None else None for key, value in row.items()} for row in rows]
