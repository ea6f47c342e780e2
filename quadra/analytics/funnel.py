"""Funnels: how many people took one step after another within a time, and how long it took them.

SQL finds the events of each person that may matter, in order; `funnel_walk` judges them. The two agree on bits: the steps
from 0 on, the exclusions above them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import pyarrow as pa

from quadra.analytics.funnel_groups import Grouping, Labelled
from quadra.analytics.funnel_walk import Coded, Times, Walk
from quadra.analytics.matching import Match, Parameters, people_only, value_sql
from quadra.analytics.question import Question, told
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

ANY = "Any event"


@dataclass(frozen=True)
class Funnel:
    question: Question
    steps: tuple[Match, ...]
    walk: Walk
    exclusions: tuple[Match, ...] = ()
    """One for each of the walk's."""
    breakdown: str | None = None
    grouping: Grouping | None = None


def answer(runtime: Runtime, funnel: Funnel) -> dict[str, Any]:
    question = funnel.question
    params = Parameters()
    sql = _sql(funnel, params)
    found = query(runtime, question.project_id, sql, params, start_us=question.start_us, end_us=question.end_us)
    ways = [times for events in _people(found.table) if (times := funnel.walk.best(events))]
    body: dict[str, Any] = {"steps": _steps(funnel, ways)}
    if funnel.grouping is not None:
        groups = funnel.grouping.groups(_labelled(found.table), funnel.walk)
        body["breakdown"] = {label: _steps(funnel, mine) for label, mine in groups.items()}
    return told(found, **body)


def _sql(funnel: Funnel, params: Parameters) -> str:
    """Rows of lists, one row a person: the times of their events, the bits, the values."""
    whole = Match(where=funnel.question.where).sql(params)
    bits = [f"CASE WHEN {whole} AND {match.sql(params)} THEN 1 ELSE 0 END" for match in funnel.steps]
    bits += [f"CASE WHEN {match.sql(params)} THEN 1 ELSE 0 END" for match in funnel.exclusions]
    code = " + ".join(f"({bit})::BIGINT * {1 << number}" for number, bit in enumerate(bits))
    columns = ["person", "occurred_us AS us", f"{code} AS code"]
    listed = ["list(us ORDER BY us, code) AS times", "list(code ORDER BY us, code) AS codes"]
    if funnel.breakdown is not None:
        columns.append(f"coalesce({value_sql(funnel.breakdown, params)}, '') AS label")
        order = "us, code, label"
        listed = [f"list({name} ORDER BY {order}) AS {name}s" for name in ("us", "code", "label")]
    matter = "true" if funnel.walk.order == "strict" else "code <> 0"
    entry = (1 << len(funnel.steps)) - 1 if funnel.walk.order == "unordered" else 1
    return f"""
        SELECT {", ".join(listed)} FROM (
            SELECT {", ".join(columns)} FROM events WHERE {people_only(funnel.question.include_bots)}
        ) WHERE {matter} GROUP BY person HAVING bool_or(code & {entry} <> 0)"""


def _people(table: pa.Table) -> Iterator[list[Coded]]:
    for batch in table.to_batches(1_000):
        for times, codes in zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True):
            yield list(zip(times, codes, strict=True))


def _labelled(table: pa.Table) -> Iterator[list[Labelled]]:
    for batch in table.to_batches(1_000):
        columns = (column.to_pylist() for column in batch.columns)
        for times, codes, labels in zip(*columns, strict=True):
            yield list(zip(times, codes, labels, strict=True))


def _steps(funnel: Funnel, ways: list[Times]) -> list[dict[str, Any]]:
    shown = []
    counts = [sum(1 for times in ways if len(times) > step) for step in range(len(funnel.steps))]
    for step, match in enumerate(funnel.steps):
        gaps = [(times[step] - times[step - 1]) / 1e6 for times in ways if len(times) > step] if step else []
        shown.append(
            {
                "name": match.event or ANY,
                "count": counts[step],
                "conversion_rate": _share(counts[step], counts[0]),
                "step_conversion_rate": _share(counts[step], counts[max(step - 1, 0)]),
                "average_seconds": fmean(gaps) if gaps else None,
                "median_seconds": median(gaps) if gaps else None,
            }
        )
    return shown


def _share(part: int, whole: int) -> float:
    """In per cent, as all rates are."""
    return part / whole * 100 if whole else 0.0
