"""The `quadra` command as a table of contents."""

from __future__ import annotations

import sys

import click

from quadra import __version__
from quadra.accounts.commands import init, key, project
from quadra.accounts.user_commands import user
from quadra.bench.commands import bench
from quadra.core.errors import QuadraError
from quadra.ingest.commands import demo, events, import_
from quadra.serve import serve
from quadra.warehouse.commands import erase, warehouse
from quadra.worker import worker_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="quadra")
def quadra() -> None:
    """Self-hosted, real-time event analytics."""


for command in (serve, worker_command, init, project, key, user, bench, import_, demo, events, warehouse, erase):
    quadra.add_command(command)


def main() -> None:
    """Exit codes: 0 fine, 1 failed, 2 wrong usage."""
    try:
        quadra(prog_name="quadra")
    except QuadraError as error:
        for field, what in {"": error.message, **error.fields}.items():
            click.echo(f"{field}: {what}" if field else what, err=True)
        sys.exit(1)
