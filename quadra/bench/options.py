"""What the options of `quadra bench` have to do with each other: one measurement at a time, with the options that are its own.

An option that a measurement does not use is refused: whoever gave it expects figures that it did not change.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.core import ParameterSource

from quadra.bench.scale import SIZES

TAKES = {
    "soak": ("postgres", "steady_minutes", "overload_minutes", "saturation", "after_seconds", "folder"),
    "scale": ("postgres", "replicas", "until", "seconds", "folder"),
    "lenses": ("rounds", "folder"),
    "rest": ("folder",),
    "only_field": ("rounds", "seconds", "folder"),
    "iterations": ("suites", "compare"),
    "suites": ("iterations", "compare"),
    "replicas": ("postgres", "rounds", "seconds", "folder"),
}
"""What names a measurement, the first of them counts -> the options that it has, beside --output."""
INGEST = ("postgres", "rounds", "seconds", "compare", "folder")
"""Those of what is measured without any of these."""


def check(context: click.Context) -> None:
    """Raises `UsageError`."""
    command = {one.name: one.opts[0] for one in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name in command if name and sources.get(name) is ParameterSource.COMMANDLINE]
    named = next((name for name in TAKES if name in given), None)
    takes = INGEST if named is None else (named, *TAKES[named])
    if other := next((name for name in given if name not in (*takes, "output")), None):
        if named is None:
            owner = next(command[name] for name, own in TAKES.items() if other in own)
            raise click.UsageError(f"{command[other]} is of {owner}, which is not given.")
        also = "one measurement at a time" if other in TAKES else "leave one of them out"
        raise click.UsageError(f"{command[named]} does not take {command[other]}: {also}.")
    if "replicas" in given and "postgres" not in given:
        raise click.UsageError("--replicas needs --postgres: two replicas share a database.")
    if named == "scale" and context.params["until"] < SIZES[0]:
        raise click.UsageError(f"--until: the smallest history has {SIZES[0]:,} events.")
    for name in ("output", "folder"):
        if path := context.params[name]:
            _writable(command[name], path if name == "folder" else path.parent)


def _writable(option: str, folder: Path) -> None:
    """Before the minutes or hours that measuring takes."""
    if not folder.is_dir():
        raise click.UsageError(f"{option}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.UsageError(f"{option}: {folder} cannot be written.")
