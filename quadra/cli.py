"""The `quadra` command as a table of contents. A command's module is imported only when that command is asked for."""

from __future__ import annotations

import errno
import faulthandler
import importlib
import os
import sys
from typing import Any

import click

from quadra import (
    __version__,
    accounts,
    analytics,
    assistants,
    backup,
    bench,
    demo,
    field,
    health,
    ingest,
    rollout,
    sinks,
    warehouse,
)
from quadra.core import collector, lazy
from quadra.core.errors import Invalid, QuadraError
from quadra.core.observing import metrics_directory

COMMANDS = {
    "serve": "quadra.serve:serve",
    "worker": "quadra.worker:worker_command",
    **accounts.COMMANDS,
    **ingest.COMMANDS,
    **demo.COMMANDS,
    **warehouse.COMMANDS,
    **sinks.COMMANDS,
    **backup.COMMANDS,
    **field.COMMANDS,
    **analytics.COMMANDS,
    **assistants.COMMANDS,
    **rollout.COMMANDS,
    **health.COMMANDS,
    **bench.COMMANDS,
}
"""name -> module:function. A room with commands has a line here; its own stand in its `__init__.py`, which imports nothing."""


UNWRITABLE = {
    errno.EACCES: "Give it to the user that runs Quadra, or set QUADRA_DATA_DIR to a directory that is that user's.",
    errno.EPERM: "Give it to the user that runs Quadra, or set QUADRA_DATA_DIR to a directory that is that user's.",
    errno.EROFS: "Mount it writable, or set QUADRA_DATA_DIR to another directory.",
    errno.ENOSPC: "Make room on that disk.",
    errno.EDQUOT: "Make room, or raise the quota of the user that runs Quadra.",
    errno.EIO: "Look at the disk.",
}
"""What to do about a directory that cannot be written."""


class Contents(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:1] == ["serve"]:  # before its modules are imported: the metrics library looks only then
            metrics_directory.share()
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        with collector.spared_while_importing():
            command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.command(cls=Contents, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="quadra")
def quadra() -> None:
    """Self-hosted, real-time event analytics."""


def main() -> None:
    """Exit codes: 0 fine, 1 failed, 2 wrong usage: what was asked for cannot be."""
    if sys.stderr is not None:  # it is, where somebody closed it
        faulthandler.enable()  # a library that crashes says where; a log line it cannot write any more
    lazy.put_off()
    os.umask(0o077)  # whatever the shell's was: see core/file_modes.py
    try:
        quadra(prog_name="quadra")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        where = f" {error.filename}" if error.filename else ""
        click.echo(f"Quadra cannot write{where}: {error.strerror}. {UNWRITABLE[error.errno]}", err=True)
        sys.exit(1)
    except QuadraError as error:
        for field, what in {"": _trouble(error.__cause__) or error.message, **error.fields}.items():
            click.echo(f"{field}: {what}" if field else what, err=True)
        sys.exit(2 if isinstance(error, Invalid) else 1)
    except Exception as error:
        trouble = _trouble(error)
        if not trouble:  # a mistake of ours
            raise
        click.echo(trouble, err=True)
        sys.exit(1)


def _trouble(error: BaseException | None) -> str | None:
    """What to do about a database that is away, and what it said: at a terminal that is told in full."""
    # loaded by whatever has a database, and costs a third of a second where nothing has
    database_errors: Any = sys.modules.get("quadra.core.database_errors")
    said: str | None = database_errors and database_errors.trouble(error)
    return said
