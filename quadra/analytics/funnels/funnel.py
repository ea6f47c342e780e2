"""Funnels: how many people took one step after another within a time, and how long it took them.

SQL finds the events of each person that may matter, in order; `funnel_columns` judges those of many people at once,
`funnel_walk` one person's. They agree on bits: the steps from 0 on, the exclusions above them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean, median

import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.funnels.columns import bits_of, in_columns, ways
from quadra.analytics.funnels.groups import TOUCHES, Grouping, Labelled
from quadra.analytics.funnels.walk import Coded, Times, Walk
from quadra.analytics.questions.matching import Match, Parameters, people_only, value_sql
from quadra.analytics.questions.people import PEOPLE_MOST
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, share
from quadra.core.typed import Typed

ANY = "Any event"


class FunnelStep(Struct):
    name: str
    count: int
    conversion_rate: float
    step_conversion_rate: float
    average_seconds: float | None
    median_seconds: float | None


class FunnelAnswer(Measured, kw_only=True):
    steps: list[FunnelStep]
    breakdown: dict[str, list[FunnelStep]] | UnsetType = UNSET
    """Of each value, where a breakdown was asked for."""
    people: list[str] | UnsetType = UNSET
    """Where `people_of` asks for them, at most 1,000."""


@dataclass(frozen=True)
class Funnel:
    question: Question
    steps: tuple[Match, ...]
    walk: Walk
    exclusions: tuple[Match, ...] = ()
    """One for each of the walk's."""
    breakdown: str | None = None
    grouping: Grouping | None = None


def statement(funnel: Funnel) -> Statement:
    """It finds each person's events; who counts is decided after it."""
    params = Parameters()
    return Statement(_histories(funnel, params) if _quick(funnel) else _sql(funnel, params), params)


def _quick(funnel: Funnel) -> bool:
    return in_columns(funnel.walk) and (funnel.grouping is None or funnel.grouping.attribution in TOUCHES)


class _Judged(Struct):
    steps: list[FunnelStep]
    breakdown: dict[str, list[FunnelStep]] | UnsetType = UNSET


JUDGED = Typed(_Judged)


def judged(events: Snapshot, funnel: Funnel) -> FunnelAnswer:
    asked, names = statement(funnel), [match.event for match in funnel.steps]
    found = events.kept(
        JUDGED,
        ("funnel", asked.sql, asked.params, names, funnel.walk, funnel.grouping),
        lambda: _judged(events, funnel),
    )
    return FunnelAnswer(**events.measures(), steps=found.steps, breakdown=found.breakdown)


def _judged(events: Snapshot, funnel: Funnel) -> _Judged:
    table, grouping = events.ask(statement(funnel)).table, funnel.grouping
    groups: dict[str, list[Times]] = {}
    if _quick(funnel):
        each = list(ways(funnel.walk, table["history"]))
        if grouping is not None:
            groups = grouping.limited(_by_label(table["label"].to_pylist(), each))
        taken = [times for times in each if times]
    else:
        taken = [times for history in _people(table) if (times := funnel.walk.best(history))]
        if grouping is not None:
            groups = grouping.groups(_labelled(table), funnel.walk)
    breakdown = UNSET if grouping is None else {label: _steps(funnel, mine) for label, mine in groups.items()}
    return _Judged(_steps(funnel, taken), breakdown)


def people_of(events: Snapshot, funnel: Funnel, step: int, *, stopped: bool) -> list[str]:
    """Who came to the step, or went no further; one history after another, until there are enough."""
    whole, params = replace(funnel, breakdown=None, grouping=None), Parameters()
    table = events.ask(Statement(f"{_sql(whole, params, 'person')} ORDER BY person", params)).table
    names = (name for batch in table.to_batches(1_000) for name in batch["person"].to_pylist())
    ways = (len(funnel.walk.best(history)) for history in _people(table))
    found = (name for name, depth in zip(names, ways, strict=True) if (depth == step + 1 if stopped else depth > step))
    return list(islice(found, PEOPLE_MOST))


def _by_label(labels: list[str], ways: list[Times]) -> dict[str, dict[int, Times]]:
    by_label: dict[str, dict[int, Times]] = {}
    for who, (label, times) in enumerate(zip(labels, ways, strict=True)):
        if times:
            by_label.setdefault(label, {})[who] = times
    return by_label


def _histories(funnel: Funnel, params: Parameters) -> str:
    """Rows (history, label), one a person; histories as `funnel_columns` reads them."""
    walk = funnel.walk
    columns = ["person", f"occurred_us * {1 << bits_of(walk)} + code AS packed", "code"]
    listed = ["list_sort(list(packed)) AS history"]
    if walk.order == "ordered" and not walk.exclusions:
        # whoever took the first step and never the second has one way, however often they took it
        first = "[min(packed) FILTER (WHERE code & 1 <> 0)]"
        onwards = f"CASE WHEN bool_or(code & 2 <> 0) THEN list_sort(list(packed)) ELSE {first} END"
        listed = [f"{onwards if walk.steps > 1 else first} AS history"]
    if funnel.breakdown is not None and funnel.grouping is not None:
        columns.append("label")
        touch = "arg_min" if funnel.grouping.attribution == "first_touch" else "arg_max"
        of_steps = (1 << walk.steps) - 1
        touched = f"{touch}(label, (packed, label)) FILTER (WHERE code & {of_steps} <> 0 AND label <> '')"
        listed.append(f"coalesce({touched}, '') AS label")
    return f"""
        SELECT {", ".join(listed)} FROM (
            SELECT {", ".join(columns)} FROM ({_coded(funnel, params)}) WHERE {_matters(funnel)}
        ) GROUP BY person HAVING bool_or(code & {_entry(funnel)} <> 0)"""


def _matters(funnel: Funnel) -> str:
    return "true" if funnel.walk.order == "strict" else "code <> 0"


def _entry(funnel: Funnel) -> int:
    """The bits of the steps with which a way can begin."""
    return (1 << funnel.walk.steps) - 1 if funnel.walk.order == "unordered" else 1


def _coded(funnel: Funnel, params: Parameters) -> str:
    """Every event of a person with the bits of what it fits, and its value where there is a breakdown."""
    whole = Match(where=funnel.question.where).sql(params)
    bits = [f"CASE WHEN {whole} AND {match.sql(params)} THEN 1 ELSE 0 END" for match in funnel.steps]
    bits += [f"CASE WHEN {match.sql(params)} THEN 1 ELSE 0 END" for match in funnel.exclusions]
    code = " + ".join(f"({bit})::BIGINT * {1 << number}" for number, bit in enumerate(bits))
    columns = ["person", "occurred_us", f"{code} AS code"]
    if funnel.breakdown is not None:
        columns.append(f"coalesce({value_sql(funnel.breakdown, params)}, '') AS label")
    return f"SELECT {', '.join(columns)} FROM events WHERE {people_only(funnel.question.include_bots)}"


def _sql(funnel: Funnel, params: Parameters, *more: str) -> str:
    """Rows of lists, one row a person: the times of their events, the bits, the values."""
    names = ["us", "code", *(["label"] if funnel.breakdown is not None else [])]
    order = ", ".join(names)
    listed = [f"list({name} ORDER BY {order}) AS {name}s" for name in names]
    return f"""
        SELECT {", ".join([*listed, *more])} FROM (SELECT *, occurred_us AS us FROM ({_coded(funnel, params)}))
        WHERE {_matters(funnel)} GROUP BY person HAVING bool_or(code & {_entry(funnel)} <> 0)"""


def _people(table: pa.Table) -> Iterator[list[Coded]]:
    for batch in table.to_batches(1_000):
        for times, codes in zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True):
            yield list(zip(times, codes, strict=True))


def _labelled(table: pa.Table) -> Iterator[list[Labelled]]:
    for batch in table.to_batches(1_000):
        columns = (column.to_pylist() for column in batch.columns)
        for times, codes, labels in zip(*columns, strict=True):
            yield list(zip(times, codes, labels, strict=True))


def _steps(funnel: Funnel, ways: list[Times]) -> list[FunnelStep]:
    shown = []
    counts = [sum(1 for times in ways if len(times) > step) for step in range(len(funnel.steps))]
    for step, match in enumerate(funnel.steps):
        gaps = [(times[step] - times[step - 1]) / 1e6 for times in ways if len(times) > step] if step else []
        shown.append(
            FunnelStep(
                match.event or ANY,
                counts[step],
                share(counts[step], counts[0]),
                share(counts[step], counts[max(step - 1, 0)]),
                fmean(gaps) if gaps else None,
                median(gaps) if gaps else None,
            )
        )
    return shown
