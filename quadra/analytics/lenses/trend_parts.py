"""Trends out of what each file says: the same rows as the statement of `trends.py` gives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from quadra.analytics.lenses.trend_params import OTHER, Params
from quadra.analytics.questions.matching import Parameters, number_sql, value_sql
from quadra.analytics.questions.snapshot import Row
from quadra.analytics.questions.tallies import are, counted_by, each_period, many, people_tally, sums
from quadra.warehouse.query.tally import Tallied, Tally

REST = 0
"""The place of what a limit put together."""


def tally(asked: Params, condition: str, params: Parameters, people: bool) -> Tally:
    """`condition` is that of the events that count."""
    if people and asked.breakdown is None and asked.number is None:
        return people_tally(asked.question, asked.match, asked.periods)  # what other lenses count by, too
    keys = {"id": "user_id"} if people else {}
    taken, values = {}, {"events": "count(*)"}
    if asked.breakdown is not None:
        keys["label"] = f"coalesce({value_sql(asked.breakdown, params)}, '')"
    if asked.number is not None:
        taken["number"] = number_sql(asked.number, params)
        values |= {"total": "coalesce(fsum(number), 0)", "numbers": "count(number)"}
    return counted_by(keys, values, condition, params, asked.periods, taken)


def rows(asked: Params, found: Tallied) -> list[Row]:
    """(place, label, period, value); the place is None for what a limit put together."""
    if asked.breakdown is None:
        return [(1, "", period, value) for period, value in _values(asked, found)]
    labels, places = _places(asked, found)
    of_rows = places[found.columns["label"]]
    shown: list[Row] = []
    for place in np.unique(of_rows).tolist():
        label = OTHER if place == REST else labels[place - 1]
        shown += [
            (place or None, label, period, value) for period, value in _values(asked, _only(found, of_rows == place))
        ]
    return shown


def _only(found: Tallied, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Tallied:
    columns = {name: column[wanted] for name, column in found.columns.items()}
    return replace(found, periods=found.periods[wanted], columns=columns)


def _places(asked: Params, found: Tallied) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The labels that keep their names, the largest first, and the place of each label's code."""
    whole = replace(found, periods=np.zeros_like(found.periods))
    codes = found.columns["label"]
    sizes = []
    for code in np.unique(codes).tolist():
        some = _only(whole, codes == code)
        size = int(some.columns["events"].sum()) if asked.aggregate == "max_per_user" else _size(asked, some)
        sizes.append((-size, str(found.texts.text(code)), code))
    ranked = sorted(sizes)
    kept = [
        (label, code)
        for place, (_size, label, code) in enumerate(ranked, start=1)
        if len(ranked) <= asked.breakdown_limit or (place <= asked.breakdown_limit and label != OTHER)
    ]
    places = np.full(int(codes.max(initial=0)) + 1, REST, np.int64)
    for place, (_label, code) in enumerate(kept, start=1):
        places[code] = place
    return [label for label, _code in kept], places


def _size(asked: Params, found: Tallied) -> float:
    """Of all periods together."""
    if asked.aggregate in ("unique", "weekly_active", "monthly_active"):
        return many(are(found, found.persons[found.columns["id"]]))
    return sum(value for _period, value in _values(asked, found))


def _values(asked: Params, found: Tallied) -> Iterator[tuple[int, float]]:
    """(period, value), of the periods that have something."""
    if asked.aggregate in ("sum", "avg"):
        return _of_numbers(found, average=asked.aggregate == "avg")
    if asked.aggregate == "total":
        return _where_some(np.bincount(found.periods, weights=found.columns["events"]).astype(np.int64))
    return _of_people(asked, found)


def _of_people(asked: Params, found: Tallied) -> Iterator[tuple[int, float]]:
    last, there = np.full(len(found.persons), -asked.width), 0
    for period, who, values in each_period(found, len(asked.periods), "total" if asked.number else "events"):
        if asked.aggregate == "max_per_user":
            if len(who):
                yield period, float(sums(found, who, values)[who].max())
        elif asked.width == 1:
            yield period, many(are(found, who))
        elif period >= 0:  # whoever was there counts for so many periods: how many more there are than before
            last[who] = period
            before, there = there, many(last > period - asked.width)
            yield period, there - before


def _where_some(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[tuple[int, float]]:
    kept = np.flatnonzero(values)
    return zip(kept.tolist(), values[kept].tolist(), strict=True)


def _of_numbers(found: Tallied, *, average: bool) -> Iterator[tuple[int, float]]:
    parts: dict[int, list[float]] = defaultdict(list)
    numbers: dict[int, int] = defaultdict(int)
    columns = (found.periods, found.columns["total"], found.columns["numbers"])
    for period, total, count in zip(*(column.tolist() for column in columns), strict=True):
        parts[period].append(total)
        numbers[period] += count
    for period, totals in parts.items():
        value = math.fsum(totals)
        yield period, (value / numbers[period] if numbers[period] else 0.0) if average else value
