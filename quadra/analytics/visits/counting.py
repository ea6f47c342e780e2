"""Visits counted in columns, for several questions about the same events at once: what they read in common is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot
from quadra.analytics.questions.timeline import Flags, Numbers, begins, timelines
from quadra.analytics.visits import dimensions
from quadra.analytics.visits.columns import Cut, Named, TooMuch, columns_of, fitting, reaching
from quadra.analytics.visits.counted import ROWS, Counted, Counts, OfPeriod, Row, Rows
from quadra.analytics.visits.relation import Visits

HALF = 26
"""Bits: an integer in two halves, so that sums of either are whole numbers as floats too."""
Reached: TypeAlias = "tuple[Numbers, npt.NDArray[np.float64]]"
ONE = ""
"""The value of the one row that counts all."""


def count(events: Snapshot, asked: Sequence[tuple[Visits, Rows]]) -> list[Counted] | None:
    """Of questions about one range with the same filters of events and goals. None where there is too much of what only the
    statement of `relation` can say.
    """
    first = asked[0][0]
    params = Parameters()
    where = first.where(params)
    columns = columns_of([visits for visits, _rows in asked], params)
    tallies = [_Tally(visits) for visits, _rows in asked]
    look = events.look.of(first.question.range)
    try:
        for timeline in timelines(look, columns, where, params):
            if not len(timeline.us):
                continue
            cut = Cut(events, timeline, first)
            for tally in tallies:
                tally.add(cut)
    except TooMuch:
        return None
    return [tally.counted(rows) for tally, (_visits, rows) in zip(tallies, asked, strict=True)]


@dataclass
class _Tally:
    visits: Visits
    whole: list[pa.Table] = field(default_factory=list)
    rows: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.starts = np.array(self.visits.periods.starts, np.int64)
        self.periods = np.zeros((3, len(self.starts)), np.int64)
        """Visitors, visits, page views of each."""

    def add(self, cut: Cut) -> None:
        visits, filters = self.visits, self.visits.filters
        view = cut.is_page
        if filters[1]:
            seen = np.ones(len(cut.views_at), np.bool_)
            for each in filters[1]:
                found = cut.of_view(each.prop)
                seen &= fitting(cut.events, each, found.values)[found.codes]
            view = np.zeros(len(cut.is_page), np.bool_)
            view[cut.views_at[seen]] = True
        views = cut.each(view)
        kept = np.ones(len(cut), np.bool_)
        for each in filters[0]:
            found = cut.of_visit(each.prop)
            kept &= fitting(cut.events, each, found.values)[found.codes]
        if filters[1]:
            nothing = all(bool(fitting(cut.events, each, [])[-1]) for each in filters[1])
            kept &= (views > 0) | ((cut.pages == 0) & nothing)
        reached = self._reached(cut)
        self._count_periods(cut, kept, view)
        which = np.flatnonzero(kept)
        everything = Named(np.zeros(len(which), np.int64), [ONE])
        self.whole.append(_grouped(cut, which, everything, views[which], reached))
        if visits.by is None:
            return
        if visits.by in dimensions.OF_VIEWS:
            at, value = cut.views_at, _labelled(cut.of_view(visits.by), visits.by)
            inside = view[at] & kept[cut.visit[at]]
            packed = cut.visit[at[inside]] * len(value.values) + value.codes[inside]
            pairs, seen_views = np.unique(packed, return_counts=True)
            which, codes = pairs // len(value.values), pairs % len(value.values)
            self.rows.append(_grouped(cut, which, Named(codes, value.values), seen_views, reached))
        else:
            if visits.by in dimensions.ENDS:
                which = which[cut.pages[which] > 0]
            value = _labelled(cut.of_visit(visits.by), visits.by)
            self.rows.append(_grouped(cut, which, Named(value.codes[which], value.values), views[which], reached))

    def _reached(self, cut: Cut) -> Reached | None:
        """Of each visit: how often the goal was reached in it, and what that was worth."""
        if not self.visits.goals:
            return None
        (goal,) = self.visits.goals
        is_reached = cut.timeline.others["is_0"].astype(np.bool_)
        if goal.page is not None:
            found = cut.of_view("page")
            is_reached[cut.views_at] &= reaching(cut.events, goal, found.values)[found.codes]
        worth = np.nan_to_num(cut.timeline.others["worth_0"].astype(np.float64)) * is_reached
        return cut.each(is_reached), np.bincount(cut.visit, worth, minlength=len(cut)).astype(np.float64)

    def _count_periods(self, cut: Cut, kept: Flags, view: Flags) -> None:
        def of(us: Numbers) -> Numbers:
            return np.searchsorted(self.starts, us, side="right").astype(np.int64) - 1

        most = len(self.starts)
        self.periods[1] += np.bincount(of(cut.first_us[kept]), minlength=most)
        who, us = cut.timeline.who, cut.timeline.us
        if not kept.all():
            inside = kept[cut.visit]
            who, us, view = who[inside], us[inside], view[inside]
        period = of(us)
        self.periods[0] += np.bincount(period[begins(who) | begins(period)], minlength=most)
        self.periods[2] += np.bincount(period[view], minlength=most)

    def counted(self, rows: Rows) -> Counted:
        whole = _summed(self.whole).drop_columns("value").to_pylist()
        periods = [OfPeriod(place, *each) for place, each in enumerate(self.periods.T.tolist()) if any(each)]
        page, total = _page(_summed(self.rows), rows) if self.rows else ([], 0)
        return Counted(whole=Counts(**whole[0]) if whole else Counts(), periods=periods, rows=page, total=total)


def _labelled(found: Named, dimension: str) -> Named:
    """What has no value is called by its label, as what has that very value is."""
    label, values = dimensions.label_of(dimension), found.values
    if label not in values:
        values = [*values, label]
    return Named(np.where(found.codes < 0, values.index(label), found.codes), values)


def _grouped(cut: Cut, which: Numbers, value: Named, views: Numbers, reached: Reached | None) -> pa.Table:
    """One row for each value that there is. `which` are visits, perhaps several times, each with its value and its views."""
    codes, count = value.codes, len(value.values)

    def each(rows: Flags | slice) -> Numbers:
        return np.bincount(codes[rows], minlength=count)

    def people(rows: Flags | slice) -> Numbers:
        who = cut.who[which[rows]]
        if count == 1:  # visits are in the order of people
            return np.array([np.count_nonzero(begins(who))])
        packed = np.unique(codes[rows] * len(cut.timeline.people) + who)
        return np.bincount(packed // len(cut.timeline.people), minlength=count)

    all_ = slice(None)
    columns = {
        "visitors": people(all_),
        "visits": each(all_),
        "page_views": _sums(codes, views, count),
        "bounces": each(cut.bounced[which]),
        "us": _sums(codes, cut.us[which], count),
    }
    if reached is not None:
        times, worth = reached[0][which], reached[1][which]
        columns |= {
            "conversions": _sums(codes, times, count),
            "converted": people(times > 0),
            "revenue": np.bincount(codes, worth, minlength=count).astype(np.float64),  # integers, of nothing
        }
    there = np.flatnonzero(columns["visits"])
    values = [value.values[code] for code in there.tolist()]
    return pa.table({"value": pa.array(values, pa.string()), **{name: found[there] for name, found in columns.items()}})


def _sums(codes: Numbers, numbers: Numbers, count: int) -> Numbers:
    """Exact: `bincount` adds floats, in which each half of an integer is a whole number."""
    if count == 1:
        return np.array([numbers.sum()])
    high, low = numbers >> HALF, numbers & ((1 << HALF) - 1)
    sums = (np.bincount(codes, half, minlength=count).astype(np.int64) for half in (high, low))
    return (next(sums) << HALF) + next(sums)


def _summed(tables: list[pa.Table]) -> pa.Table:
    """Those of all parts: nobody is in two of them."""
    if len(tables) == 1:
        return tables[0]
    if not tables:
        return pa.table({"value": pa.array([], pa.string())})
    names = tables[0].column_names[1:]
    found = pa.concat_tables(tables).group_by("value").aggregate([(name, "sum") for name in names])
    return found.rename_columns([name.removesuffix("_sum") for name in found.column_names])


def _page(table: pa.Table, rows: Rows) -> tuple[list[Row], int]:
    """The rows that are asked for and one more, and how many there are."""
    column = {name: table[name].to_numpy() for name in table.column_names if name != "value"}
    number = {
        "bounce_rate": lambda: column["bounces"] * 100 / column["visits"],
        "avg_duration_seconds": lambda: column["us"] / column["visits"] / 1e6,
        "conversion_rate": lambda: column["converted"] * 100 / column["visitors"],
    }.get(rows.sort, lambda: column[rows.sort].astype(np.float64))()
    table = table.append_column("number", pa.array(number))
    total = table.num_rows
    if rows.after is not None:
        least, value = rows.after
        later = pc.and_(pc.equal(table["number"], float(least)), pc.greater(table["value"], value))
        table = table.filter(pc.or_(pc.less(table["number"], float(least)), later))
    chosen = table.sort_by([("number", "descending"), ("value", "ascending")]).slice(0, rows.limit + 1)
    return ROWS.convert(chosen.to_pylist()), total
