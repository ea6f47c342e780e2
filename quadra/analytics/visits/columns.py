"""The same visits as `relation` finds, in columns: whole histories cut into visits by NumPy, for many questions at once.

What is called by a text (pages, sources, countries) is a number until it is shown; conditions and names are found by the
same SQL as in `relation`, once for each text. Which of several things of one instant came first is said by their event ids:
those few are looked up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from quadra.analytics.questions.matching import Parameters, fits
from quadra.analytics.questions.snapshot import Snapshot
from quadra.analytics.questions.timeline import Coded, Codes, Flags, Numbers, Timeline, begins
from quadra.analytics.questions.visits import GAP_US
from quadra.analytics.visits import dimensions, origins
from quadra.analytics.visits.goal import Goal
from quadra.analytics.visits.origins import ORIGIN
from quadra.analytics.visits.relation import IS_ACT, Visits
from quadra.core.api.raw_params import Filter

ORIGINS_MOST = 100_000
TIED_MOST = 50_000
"""Of a part: beyond them the statement of `relation` has to say it all."""


class TooMuch(Exception):
    """More than is worth doing here."""


def columns_of(asked: Sequence[Visits], params: Parameters) -> list[str]:
    """What is read of each event for all of these questions, of the same events."""
    found = ["(kind = 'page') AS is_page", f"({IS_ACT}) AS is_act"]
    if any(each.asks_origins for each in asked):
        names = [name for name in ORIGIN if name != "came_from" or any(each.asks_sources for each in asked)]
        found += [f"CASE WHEN kind = 'page' THEN {ORIGIN[name]} END AS {name}" for name in names]
    named = set().union(*(each.named for each in asked))
    found += [name for name in dimensions.OF_EVENTS if name in named]
    if any(each.asks_titles for each in asked):
        found.append("CASE WHEN kind = 'page' THEN coalesce(page_title, '') END AS title")
    for number, goal in enumerate(asked[0].goals):
        found += [f"({goal.event_sql(params)}) AS is_{number}", f"{goal.value_sql(params)} AS worth_{number}"]
    return found


@dataclass(frozen=True)
class Named:
    """Rows by the number of their value; -1 is none, and finds the last of what is there of each value and of none."""

    codes: Numbers
    values: list[str]


@dataclass(frozen=True)
class Cut:
    """One timeline, cut into visits."""

    events: Snapshot
    timeline: Timeline
    visits: Visits
    """Whose condition of events it is of."""

    @cached_property
    def begins(self) -> Flags:
        found = begins(self.timeline.who)
        found[1:] |= np.diff(self.timeline.us) > GAP_US
        return found

    @cached_property
    def visit(self) -> Numbers:
        """Of each event."""
        return np.cumsum(self.begins) - 1

    @cached_property
    def first(self) -> Numbers:
        return np.flatnonzero(self.begins)

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def who(self) -> Codes:
        return self.timeline.who[self.first]

    @cached_property
    def first_us(self) -> Numbers:
        return self.timeline.us[self.first]

    @cached_property
    def us(self) -> Numbers:
        """How long each is."""
        last = np.append(self.first[1:], len(self.timeline.us))[: len(self)] - 1
        lengths: Numbers = self.timeline.us[last] - self.first_us
        return lengths

    def each(self, inside: Flags) -> Numbers:
        """How many of those events each visit has."""
        return np.bincount(self.visit[inside], minlength=len(self))

    @cached_property
    def is_page(self) -> Flags:
        found: Flags = self.timeline.others["is_page"]
        return found

    @cached_property
    def pages(self) -> Numbers:
        return self.each(self.is_page)

    @cached_property
    def bounced(self) -> Flags:
        found: Flags = (self.pages <= 1) & (self.each(self.timeline.others["is_act"]) == 0)
        return found

    @cached_property
    def views_at(self) -> Numbers:
        """The places of page views."""
        return np.flatnonzero(self.is_page)

    @cached_property
    def origins(self) -> Origins:
        return Origins(self)

    def of_visit(self, name: str) -> Named:
        """The value of a dimension of visits."""
        if name in dimensions.OF_EVENTS:
            return self._first_value(name)
        ends = self.origins.exits if name == "exit_page" else self.origins.entries
        found = self.origins.named("page" if name in dimensions.ENDS else name)
        return Named(np.append(found.codes, -1)[ends], found.values)

    def of_view(self, name: str) -> Named:
        """The value of a dimension of page views, one for each of `views_at`."""
        if name == "title":
            titles = self.timeline.texts["title"]
            values = titles.values.to_pylist()
            nothing = np.array([-1 if value == "" else code for code, value in enumerate(values)], np.int64)
            return Named(nothing[titles.codes[self.views_at]], values)
        found = self.origins.named(name)
        return Named(found.codes[self.origins.of_view], found.values)

    def _first_value(self, name: str) -> Named:
        found = self.timeline.texts[name]
        at = np.flatnonzero(found.codes >= 0)
        codes = np.full(len(self), -1, np.int64)
        first, tied = self._ends_of(at, found.codes[at])
        codes[self.visit[at[first]]] = found.codes[at[first]]
        values = found.values.to_pylist()
        if len(tied):
            known = {value: code for code, value in enumerate(values)}
            rows = self.look_up(at[tied], [f"arg_min({name}, event_id)"], f"{name} IS NOT NULL")
            codes[self.visit[at[tied]]] = [known[value] for (value,) in rows]
        return Named(codes, values)

    def _ends_of(self, at: Numbers, codes: Numbers | Codes) -> tuple[Numbers, Numbers]:
        """Of the events at these places: the first of each visit, and of them those at whose instant the codes differ."""
        visit, us = self.visit[at], self.timeline.us[at]
        first = np.flatnonzero(begins(visit))
        begun = np.cumsum(begins(visit)) - 1
        differs = (us == us[first][begun]) & (codes != codes[first][begun])
        return first, first[np.unique(begun[differs])]

    def look_up(self, at: Numbers, picked: Sequence[str], condition: str) -> list[tuple[str, ...]]:
        """What is picked of the events of the person and the instant of each of these places."""
        if len(at) > TIED_MOST:
            raise TooMuch
        params = Parameters()
        where = self.visits.where(params)
        who = params.add(self.timeline.people.take(pa.array(self.timeline.who[at])).to_pylist())
        us = params.add(self.timeline.us[at].tolist())
        sql = f"""
            WITH tied AS MATERIALIZED (
                SELECT unnest({who}) AS who, unnest({us}) AS us, generate_subscripts({us}, 1) AS place
            )
            SELECT place, {", ".join(f"{each} AS picked_{number}" for number, each in enumerate(picked))}
            FROM events JOIN tied ON who = person AND us = occurred_us WHERE {condition} AND {where}
            GROUP BY place ORDER BY place"""
        return [row[1:] for row in self.events.look.query(sql, params).rows]


class Origins:
    """The addresses and referrers of page views, each once."""

    def __init__(self, cut: Cut):
        self._cut = cut
        texts = {name: cut.timeline.texts[name] for name in ORIGIN if name in cut.timeline.texts}
        self._texts = texts or {name: Coded(np.zeros(0, np.int32), pa.array([], pa.string())) for name in ORIGIN}
        packed = np.zeros(len(cut.views_at), np.int64)
        for found in self._texts.values():
            packed = packed * max(len(found.values), 1) + found.codes[cut.views_at]
        self._kinds, first, self.of_view = _numbered(packed)
        """`of_view`: the number of the origin of each page view."""
        if len(self._kinds) > ORIGINS_MOST:
            raise TooMuch
        self.columns = {name: [""] * len(first) for name in ORIGIN}
        for name, found in self._texts.items():
            self.columns[name] = found.values.take(pa.array(found.codes[cut.views_at[first]])).to_pylist()

    @cached_property
    def entries(self) -> Numbers:
        """Of each visit; -1 where it has no page view."""
        return self._ends(self._cut.views_at, "arg_min", backwards=False)

    @cached_property
    def exits(self) -> Numbers:
        return self._ends(self._cut.views_at, "arg_max", backwards=True)

    def _ends(self, at: Numbers, pick: str, *, backwards: bool) -> Numbers:
        cut, codes = self._cut, self.of_view
        if backwards:
            at, codes = at[::-1], codes[::-1]
        found = np.full(len(cut), -1, np.int64)
        first, tied = cut._ends_of(at, codes)
        found[cut.visit[at[first]]] = codes[first]
        if len(tied):
            known = {origin: code for code, origin in enumerate(zip(*self.columns.values(), strict=True))}
            texts = {name: text if name in self._texts else "''" for name, text in ORIGIN.items()}
            picked = [f"{pick}({text}, event_id)" for text in texts.values()]
            rows = cut.look_up(at[tied], picked, "kind = 'page'")
            found[cut.visit[at[tied]]] = [known[row] for row in rows]
        return found

    @cached_property
    def _named(self) -> dict[str, Named]:
        return {}

    def named(self, name: str) -> Named:
        """Of each origin."""
        if name not in self._named:
            params = Parameters()
            sql = origins.named(self.columns, name, params)
            texts: list[str | None] = [text for _code, text in self._cut.events.look.query(sql, params).rows]
            values = list(dict.fromkeys(text for text in texts if text is not None))
            known: dict[str | None, int] = {None: -1, **{value: code for code, value in enumerate(values)}}
            self._named[name] = Named(np.array([known[text] for text in texts], np.int64), values)
        return self._named[name]


def fitting(events: Snapshot, wanted: Filter, values: Sequence[str]) -> Flags:
    """Whether a filter takes each of these values, and at the end whether it takes none."""
    params = Parameters()
    return _said(events, fits(wanted, params, "value"), params, [*values, ""])


def reaching(events: Snapshot, goal: Goal, pages: Sequence[str]) -> Flags:
    """Whether each of these pages is one of the goal's; at the end: no page is none."""
    params = Parameters()
    return np.append(_said(events, goal.page_fits(params, "value"), params, pages), False)


def _said(events: Snapshot, condition: str, params: Parameters, values: Sequence[str]) -> Flags:
    listed = params.add(list(values))
    sql = f"""
        SELECT {condition} AS said
        FROM (SELECT unnest({listed}) AS value, generate_subscripts({listed}, 1) AS place) ORDER BY place"""
    return np.array([said for (said,) in events.look.query(sql, params).rows], np.bool_)


def _numbered(packed: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    found: tuple[Numbers, Numbers, Numbers] = np.unique(packed, return_index=True, return_inverse=True)
    return found
