"""`quadra annotate`: what happened to the installation, for every chart over time to mark."""

from __future__ import annotations

import click

from quadra.accounts.terminal import json_option, opened, say
from quadra.analytics.kept.annotations import annotate_all


@click.command("annotate")
@click.argument("text")
@click.option("--source", default="command", show_default=True, help="What wrote it, in a word: release, restore, …")
@json_option
def annotate_command(text: str, source: str, as_json: bool) -> None:
    """Mark this moment with TEXT in the charts of every project."""
    with opened() as runtime, runtime.database.begin() as session:
        count = len(annotate_all(session, text, source=source))
    say(as_json, {"annotations": count}, [f"The charts of {count} projects show: {text}"])
