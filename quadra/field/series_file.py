"""Read a time series from a CSV file: a column of times, a column of values. Bad cells are named with their line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quadra.core.errors import QuadraError

TIMESTAMP, VALUE, SCORE = "timestamp", "value", "anomaly_score"
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
"""What stands for a value that was not measured."""


class BadSeries(QuadraError):
    """The file is not a time series."""

    code = "bad_series"


@dataclass(frozen=True, slots=True)
class Row:
    cells: Sequence[str]
    """As they stand in the file."""
    at: float | None
    """Seconds since 1970, None where the file gives no time."""
    value: float
    """NaN where it is missing."""


class SeriesFile:
    """A file that can be read more than once: first to check it, then to score it. One row is held at a time."""

    def __init__(self, path: Path):
        self._path = path
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            try:
                self.header = next(csv.reader(lines), [])
            except csv.Error as error:
                raise BadSeries(f"{path.name} is not CSV: {error}.") from error
        names = [name.strip().lower() for name in self.header]
        if not any(names):
            raise BadSeries(f"{path.name} is empty; its first line must name the columns timestamp and value.")
        for name in (TIMESTAMP, VALUE):
            if name not in names:
                raise BadSeries(f"{path.name} has no column {name}; its first line must name timestamp and value.")
        self._at, self._value = names.index(TIMESTAMP), names.index(VALUE)

    def rows(self) -> Iterator[Row]:
        """Raises `BadSeries` at the first cell that cannot be read."""
        with self._path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            reader = csv.reader(lines)
            next(reader, None)
            try:
                for cells in reader:
                    if cells:
                        yield self._row(cells, reader.line_num)
            except csv.Error as error:
                raise BadSeries(f"Line {reader.line_num} of {self._path.name} is not CSV: {error}.") from error

    def _row(self, cells: list[str], line: int) -> Row:
        if len(cells) < len(self.header):  # a row that ends early: what is left out is missing
            cells = cells + [""] * (len(self.header) - len(cells))
        try:
            value = as_number(cells[self._value])
        except ValueError:
            raise BadSeries(
                f"Line {line} of {self._path.name}: value {cells[self._value][:40]!r} is not a number."
            ) from None
        try:
            at = as_seconds(cells[self._at])
        except ValueError:
            raise BadSeries(
                f"Line {line} of {self._path.name}: timestamp {cells[self._at][:40]!r} is not an ISO 8601 time."
            ) from None
        return Row(cells, at, value)


def as_number(text: str) -> float:
    """Raises `ValueError` for a word. What stands for a missing value is NaN."""
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    return float(text)


def as_seconds(text: str) -> float | None:
    """An ISO 8601 time, or seconds or milliseconds since 1970. Without an offset it is taken for UTC."""
    text = text.strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number):
        raise ValueError(text)
    return number / 1000 if abs(number) > 1e11 else number
