"""`quadra mcp`: tools for an assistant on this machine, over standard input and output."""

from __future__ import annotations

import click

from quadra.accounts.commands import project_option
from quadra.accounts.projects import get_project
from quadra.accounts.terminal import opened
from quadra.assistants.protocol import serve_stdio


@click.command("mcp")
@project_option
def mcp_command(slug: str) -> None:
    """Answer an assistant over standard input and output (Model Context Protocol). It only reads."""
    with opened() as runtime:
        with runtime.database.read() as session:
            project = get_project(session, slug)
        serve_stdio(runtime, project)
