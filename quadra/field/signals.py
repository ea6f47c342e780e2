"""The signals of a project: what is counted of each minute, and how a statement counts it.

A signal is one number a minute. Those of every project are in SIGNALS; rooms above hand in those that a project has of its
own, such as its goals (`OfProject`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from quadra.warehouse.query.snapshot import Look

MINUTE_US = 60_000_000
TIMED = 5
"""Requests of a minute below which it has no p95."""
FEW_PEOPLE = 10
"""People of a minute below which it has no rate."""


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    title: str
    form: str
    """How its numbers are shown: `count`, `ms`, `usd`, `percent`."""
    sql: str
    """Of the events of one minute. NULL where nothing was measured."""
    least: float
    """A smaller distance from what is usual is nobody's business."""
    absent: float = 0.0
    """What a minute without any event has; NaN where that says nothing."""
    condition: str = ""
    """Of an event; `sql` says REACHED for it."""
    source: str = ""
    """`name AS (…)`: a relation that the condition asks."""
    params: Mapping[str, Any] = field(default_factory=dict)


REACHED = "{reached}"
PEOPLE = "count(DISTINCT user_id) FILTER (NOT bot)"

SIGNALS = (
    Signal("events", "Events a minute", "count", "count(*)", least=10),
    Signal("people", "People a minute", "count", PEOPLE, least=5),
    Signal("errors", "Errors a minute", "count", "count(*) FILTER (kind = 'error' OR success = false)", least=5),
    Signal(
        "latency",
        "p95 of requests",
        "ms",
        f"""CASE WHEN count(duration_ms) FILTER (kind = 'request') >= {TIMED}
            THEN quantile_cont(duration_ms, 0.95) FILTER (kind = 'request') END""",
        least=50,
        absent=math.nan,
    ),
    Signal("ai_cost", "AI cost a minute", "usd", "coalesce(fsum(value) FILTER (kind = 'ai'), 0)", least=0.05),
)
"""Of every project."""

OfProject = Callable[[Session, int], Sequence[Signal]]
"""The signals that a project (its id) has of its own."""


def conversion(name: str, title: str, condition: str, params: Mapping[str, Any], source: str = "") -> Signal:
    """Which part of a minute's people did what `condition` says, in per cent."""
    done = f"count(DISTINCT user_id) FILTER (NOT bot AND {REACHED})"
    sql = f"CASE WHEN {PEOPLE} >= {FEW_PEOPLE} THEN {done} * 100.0 / {PEOPLE} END"
    return Signal(name, title, "percent", sql, 5, math.nan, condition, source, params)


Minutes = dict[int, dict[str, float]]
"""Minute since 1970 -> signal -> value; NaN where nothing was measured."""


def measure(look: Look, signals: Sequence[Signal], first: int, end: int) -> Minutes:
    """The minutes [first, end), those without events too."""
    params: dict[str, Any] = {}
    columns, reached = [], []
    for place, signal in enumerate(signals):
        params |= signal.params
        columns.append(f"{signal.sql.replace(REACHED, f'reached{place}')} AS s{place}")
        if signal.condition:
            reached.append(f", ({signal.condition}) AS reached{place}")
    sources = [*dict.fromkeys(signal.source for signal in signals if signal.source)]
    statement = f"""
        WITH {"".join(f"{source}, " for source in sources)} chosen AS (SELECT *{"".join(reached)} FROM events)
        SELECT occurred_us // {MINUTE_US} AS minute, {", ".join(columns)} FROM chosen GROUP BY minute"""
    found = {int(minute): values for minute, *values in look.query(statement, params).rows}
    minutes = empty(signals, first, end)
    for minute, values in found.items():
        minutes[minute] = dict(zip(minutes[minute], map(_number, values), strict=True))
    return minutes


def empty(signals: Sequence[Signal], first: int, end: int) -> Minutes:
    """What `measure` says of minutes without events."""
    return {minute: {signal.name: signal.absent for signal in signals} for minute in range(first, end)}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
