"""`quadra field`: the field at a terminal."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from quadra.field.series import Series
from quadra.field.series_file import SCORE, SeriesFile


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
