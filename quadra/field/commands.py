"""`quadra field`: the field at a terminal."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from quadra.accounts import audit
from quadra.accounts.commands import project_option
from quadra.accounts.projects import get_project
from quadra.accounts.terminal import json_option, opened, say, table
from quadra.core.migrate import upgrade
from quadra.field import versions
from quadra.field.bodies import latest, training_body, version_body
from quadra.field.series import Series
from quadra.field.series_file import SCORE, SeriesFile
from quadra.field.tables import FieldState


@click.group("field")
def field() -> None:
    """The model of normal traffic."""


@field.command("score")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def score(file: Path) -> None:
    """Score each row of a CSV file (columns timestamp,value): its rows with an anomaly_score, 0 normal to 1 anomalous.

    A row is scored by the rows before it alone. NaN and empty values are missing; times without an offset are UTC.
    """
    series_file, series = SeriesFile(file), Series()
    for _ in series_file.rows():  # all of it is checked before anything is printed
        pass
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*series_file.header, SCORE])
    for row in series_file.rows():
        out.writerow([*row.cells, f"{series.score(row.value, row.at):.6f}"])


@field.command("status")
@project_option
@json_option
def status(slug: str, as_json: bool) -> None:
    """What the field of a project knows, and how its latest training is doing."""
    with opened(upgrade) as runtime, runtime.database.read() as session:
        project = get_project(session, slug)
        state = session.get(FieldState, project.id)
        _, wrong = versions.read_sound(session, runtime.settings, project.id)
        run = latest(session, project.id)
        training = training_body(session, run, slug) if run else None
    body = {
        "project": slug,
        "initialized": state is not None,
        "iterations": state.iterations if state else 0,
        "version": state.version if state else 0,
        "loss": state.loss if state else None,
        "variance": state.variance if state else None,
        "drift": state.drift if state else None,
        "artifact_ok": not wrong,
        "training": training,
    }
    lines = [f"The field of {slug} has learned nothing yet."]
    if state is not None:
        lines = [
            f"The field of {slug} has learned {state.iterations:,} batches; the latest had a loss of {state.loss:.3f} bits."
        ]
        if state.version:
            lines.append(f"It goes on from version {state.version}; drift since then: {state.drift or 0:.3f}.")
    if training is not None:
        lines.append(
            f"Latest training: {training.status} after {training.iteration:,} iterations. {training.message}".rstrip()
        )
    say(as_json, body, [*lines, *([wrong] if wrong else [])])


@field.command("versions")
@project_option
@json_option
def list_versions(slug: str, as_json: bool) -> None:
    """List the trained versions, the newest first."""
    with opened(upgrade) as runtime, runtime.database.read() as session:
        project = get_project(session, slug)
        rows = [version_body(row) for row in versions.list_versions(session, project.id)]
    shown = ("version", "active", "created_at", "cells", "iterations", "events", "loss")
    lines = table(shown, rows) if rows else [f"{slug} was never trained. Next: quadra train"]
    say(as_json, {"versions": rows}, lines)


@field.command("promote")
@click.argument("version", type=click.IntRange(min=1))
@project_option
@json_option
def promote(version: int, slug: str, as_json: bool) -> None:
    """Make a version the active one; the live field goes on from it."""
    with opened(upgrade) as runtime, runtime.database.begin() as session:
        project = get_project(session, slug)
        row = versions.promote(session, runtime.settings, project.id, version)
        audit.record(
            session,
            actor=audit.COMMAND,
            action="field.version.promoted",
            subject=str(version),
            project_id=project.id,
        )
        body = version_body(row)
    say(as_json, {"version": body}, [f"ModelVersion {version} is the active one of {slug}."])
