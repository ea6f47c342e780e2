"""An answer of any lens as what a mail can show: key numbers, one chart, tables. It follows the answer's shape, so a new lens
needs nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quadra.alerts.reports import words

ROWS_MOST, COLUMNS_MOST, LINES_MOST, NUMBERS_MOST = 10, 4, 5, 12
LEFT_OUT = (
    "computed_at",
    "rows_read",
    "elapsed_ms",
    "insights",
    "previous",
    "cursor",
    "by",
    "total_rows",
    "hidden",
    "places",
)
"""Fields of answers that say nothing to a reader of mail, and those that stand beside others."""


@dataclass(frozen=True)
class Number:
    title: str
    value: str
    change: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines over the periods of the report."""

    at: list[str]
    lines: dict[str, list[float]]


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    more: int = 0
    """Rows that are left out."""


TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z")

Block = list[Number] | Chart | Table


def blocks_of(answer: Mapping[str, Any]) -> list[Block]:
    """In the order in which they are read: numbers, chart, tables. None where there is nothing to show."""
    left_out = (*LEFT_OUT, "totals", "series") if answer.get("by") else LEFT_OUT  # of rows of one dimension, the rows
    shown = {name: value for name, value in answer.items() if name not in left_out}
    numbers = list(_numbers(shown))[:NUMBERS_MOST]
    charts = [chart for name, value in shown.items() if (chart := _chart(name, value)) is not None]
    tables = [table for name, value in shown.items() if (table := _table(name, value)) is not None]
    return [*([numbers] if numbers else []), *charts[:1], *tables]


def _numbers(answer: Mapping[str, Any]) -> Iterator[Number]:
    for name, value in answer.items():
        if _is_number(value):
            yield Number(words.title(name), words.number(value, name))
        elif isinstance(value, list) and len(value) == 1 and _is_series(value[0]):
            yield Number(str(value[0]["label"]), words.number(_total(value[0])))
        elif isinstance(value, dict) and not _is_counts(name):
            before = found if isinstance(found := value.get("previous"), dict) else {}
            group = "" if name == "totals" else f"{words.title(name)}: "
            for each, now in value.items():
                if each != "previous" and (_is_number(now) or (now is None and each in before)):
                    text = words.title(each).lower() if group else words.title(each)
                    change = words.change(now, before.get(each))
                    yield Number(group + text, words.number(now, each), change)


def _chart(name: str, value: Any) -> Chart | None:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return None
    if _is_series(value[0]):
        points = value[0]["points"]
        lines = {str(one["label"]) or "(none)": [point["value"] or 0 for point in one["points"]] for one in value}
        return None if len(points) < 2 else Chart([point["at"] for point in points], _few(lines))
    if "at" not in value[0] or len(value) < 2:
        return None
    found = [each for each, one in value[0].items() if _is_number(one) and isinstance(one, int)]
    lines = {words.title(each): [row[each] or 0 for row in value] for each in found}
    return Chart([row["at"] for row in value], _few(lines)) if lines else None


def _table(name: str, value: Any) -> Table | None:
    if isinstance(value, dict):
        if not _is_counts(name):
            return next((_table(f"{name}_{each}", one) for each, one in value.items() if _is_counts(each)), None)
        value = [{"name": each, "count": one} for each, one in value.items() if _is_number(one)]
    if not isinstance(value, list) or not value or not isinstance(value[0], dict) or "at" in value[0]:
        return None
    if _is_series(value[0]):
        return (
            _rows("", [{"name": one["label"] or "(none)", "total": _total(one)} for one in value])
            if value[1:]
            else None
        )
    return _rows("" if name == "rows" else words.title(name), value)


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Table | None:
    if "user_id" in rows[0]:  # people are not named in mails, out of which nobody can be erased
        return None
    names = [
        name
        for name, one in rows[0].items()
        if not isinstance(one, dict | list) and not name.endswith("_id") and name not in ("id", "label", "stack_trace")
    ]
    names = sorted(names, key=lambda name: not any(isinstance(row[name], str) for row in rows))[
        :COLUMNS_MOST
    ]  # what is counted, then how often
    if not names:
        return None
    numeric = [any(_is_number(row.get(name)) for row in rows) for name in names]
    cells = [[_cell(row.get(name), name) for name in names] for row in rows[:ROWS_MOST]]
    return Table(title, [words.title(name) for name in names], cells, numeric, max(0, len(rows) - ROWS_MOST))


def _cell(value: Any, name: str) -> str:
    if _is_number(value):
        return words.number(value, name)
    if isinstance(value, str) and (at := TIME.fullmatch(value)):
        return f"{at[1]} {at[2]} UTC"
    text = "—" if value is None else "(none)" if value == "" else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _few(lines: dict[str, list[float]]) -> dict[str, list[float]]:
    return (
        dict(sorted(lines.items(), key=lambda line: -sum(line[1]))[:LINES_MOST]) if len(lines) > LINES_MOST else lines
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_counts(name: str) -> bool:
    """Whether the names inside are those of senders, such as types of events, and not fields of ours."""
    return name.rpartition("_by_")[1] != "" or name.startswith("by_") or name.endswith("distribution")


def _is_series(row: Any) -> bool:
    return isinstance(row, dict) and "points" in row and "label" in row


def _total(series: Mapping[str, Any]) -> float:
    return sum(point["value"] or 0 for point in series["points"])
