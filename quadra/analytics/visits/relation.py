"""The relation `visits`: sessions with what they are called and what was reached in them, as SQL.

No pause within half an hour of the clock ends a session, so each stretch of that length is put together first and few rows
are sorted. A visit's first event of several at one instant is the one with the least id, its last the one with the greatest;
only visits that need it are looked up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from quadra.analytics.questions.matching import Parameters, fits
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import where_clause
from quadra.analytics.questions.visits import GAP_US
from quadra.analytics.visits import dimensions
from quadra.analytics.visits.goal import Goal
from quadra.analytics.visits.origins import ORIGIN, PAGE_AND_HOST, of_source, sources_of
from quadra.core.api.raw_params import Filter, Where

CODES = 1 << 32
"""More than there are origins; a time within half an hour, times this, is an integer still."""
IS_ACT = "kind NOT IN ('page', 'identify') AND event_type NOT IN ('engagement', 'web_vital')"
"""The condition of an event that somebody did something for: the others a page sends by itself."""


@dataclass(frozen=True)
class Visits:
    """Those of one range."""

    question: Question
    periods: Periods
    by: str | None = None
    goals: Sequence[Goal] = ()

    @cached_property
    def filters(self) -> tuple[Where, Where, Where]:
        """Of visits, of page views, of events."""
        return dimensions.split(self.question.where)

    @cached_property
    def named(self) -> set[str]:
        """The dimensions of visits whose value is needed."""
        return {each.prop for each in self.filters[0]} | ({self.by} if self.by else set()) - set(dimensions.OF_VIEWS)

    @property
    def is_whole(self) -> bool:
        """Whether no filter takes visits out: then a person's first one is the one with the number 1."""
        return not self.filters[0] and not self.filters[1]

    @property
    def _asks_entry(self) -> bool:
        return bool(self.named & {*dimensions.OF_SOURCE, "entry_page"})

    @property
    def _asks_exit(self) -> bool:
        return "exit_page" in self.named

    @property
    def asks_origins(self) -> bool:
        """Whether it matters which page a view is of, or where it came from."""
        of_views = {"page", "hostname"} & {self.by, *(each.prop for each in self.filters[1])}
        return bool(of_views) or self._asks_entry or self._asks_exit or any(goal.page for goal in self.goals)

    @property
    def asks_sources(self) -> bool:
        return bool(self.named & {*dimensions.OF_SOURCE})

    @property
    def asks_titles(self) -> bool:
        return self.by == "title" or any(each.prop == "title" for each in self.filters[1])

    def where(self, params: Parameters) -> str:
        question = replace(self.question, where=self.filters[2])
        return f"{question.range.sql} AND {where_clause(question, params, people=True)}"

    def sql(self, params: Parameters) -> str:
        """Relations, without their WITH: `visits` (person, session, first_us, us, pages, views, bounced, value, c0, r0, c1, …),
        `parts` (person, period, views, arrives) and, by a dimension of page views, `seen` (person, session, value, views).
        """
        where = self.where(params)
        found = [self._origins(where)] if self.asks_origins else []
        found += [self._stretches(where, params), self._all_visits()]
        found += [self._first_of(each, where) for each in dimensions.OF_EVENTS if each in self.named]
        ends = [name for name, asked in (("entry", self._asks_entry), ("exit", self._asks_exit)) if asked]
        if ends:
            found.append(self._ends(ends, where))
        if self.asks_sources:
            found.append(sources_of(params))
        found.append(self._visits(params))
        if self.by in dimensions.OF_VIEWS:
            found.append(self._seen(where, params))
        return ",\n".join(found)

    def _origins(self, where: str) -> str:
        """Each page view's address and referrer, by a number: they are read and compared once, not for each view."""
        return f"""origins AS MATERIALIZED (
            SELECT *, {PAGE_AND_HOST}, row_number() OVER () AS code
            FROM (SELECT DISTINCT {", ".join(f"{text} AS {name}" for name, text in ORIGIN.items())}
                FROM events WHERE kind = 'page' AND {where}))"""

    @property
    def _events(self) -> str:
        """The events, page views with their `code`."""
        if not self.asks_origins:
            return "events"
        on = " AND ".join(f"{name} = {text}" for name, text in ORIGIN.items())
        return f"(SELECT events.*, origins.code FROM events LEFT JOIN origins ON kind = 'page' AND {on})"

    def _is_view(self, params: Parameters) -> str:
        """The condition of a page view that the filters of page views let through."""
        return " AND ".join(["kind = 'page'", *(self._view_fits(each, params) for each in self.filters[1])])

    def _view_fits(self, wanted: Filter, params: Parameters) -> str:
        if wanted.prop == "title":
            return fits(wanted, params, "page_title")
        return f"code IN (SELECT code FROM origins WHERE {fits(wanted, params, wanted.prop)})"

    @property
    def _is_aligned(self) -> bool:
        """Whether no period ends within a stretch."""
        return all(start % GAP_US == 0 for start in self.periods.starts[1:])

    def _stretches(self, where: str, params: Parameters) -> str:
        columns = ["person", "occurred_us", "kind", f"({self._is_view(params)}) AS is_view", f"({IS_ACT}) AS is_act"]
        measures = [
            "min(occurred_us) AS first_us, max(occurred_us) AS last_us",
            "count(*) FILTER (kind = 'page') AS pages, count(*) FILTER (is_act) AS others",
            "count(*) FILTER (is_view) AS views",
        ]
        # the time within the stretch before the number of the origin: the first is the least
        at = f"(occurred_us % {GAP_US}) * {CODES}"
        for name, asked, first in (("entry", self._asks_entry, "min"), ("exit", self._asks_exit, "max")):
            if asked:
                measures.append(f"{first}({at} + code) AS {name}, {first}({at} + {CODES - 1} - code) AS {name}_turned")
        if self.asks_origins:
            columns.append("code")
        for name in dimensions.OF_EVENTS:
            if name in self.named:
                columns.append(name)
                measures.append(f"min({name}) AS low_{name}, max({name}) AS high_{name}")
        for number, goal in enumerate(self.goals):
            columns += [
                f"({goal.sql(params, coded=True)}) AS is_{number}",
                f"{goal.value_sql(params)} AS worth_{number}",
            ]
            measures.append(
                f"count(*) FILTER (is_{number}) AS c{number}, fsum(worth_{number}) FILTER (is_{number}) AS r{number}"
            )
        by_period = "" if self._is_aligned else f", {self.periods.index_sql()} AS period"
        period = f", {self.periods.index_sql('first_us')} AS period" if self._is_aligned else ""
        ordered = "PARTITION BY person ORDER BY first_us"
        return f"""chosen AS (SELECT {", ".join(columns)} FROM {self._events} WHERE {where}),
        stretches AS (
            SELECT person, occurred_us // {GAP_US} AS stretch{by_period}, {", ".join(measures)} FROM chosen GROUP BY ALL
        ), cut AS (
            SELECT *, coalesce(first_us - lag(last_us) OVER ({ordered}) > {GAP_US}, true) AS begins,
                coalesce(lag(period) OVER ({ordered}) <> period, true) AS arrives
            FROM (SELECT *{period} FROM stretches)
        ), numbered AS MATERIALIZED (
            SELECT *, sum(begins::INTEGER) OVER ({ordered} ROWS UNBOUNDED PRECEDING) AS session FROM cut
        )"""

    def _all_visits(self) -> str:
        measures = [
            "min(first_us) AS first_us, max(last_us) AS last_us, CAST(sum(pages) AS BIGINT) AS pages",
            "CAST(sum(views) AS BIGINT) AS views, sum(pages) <= 1 AND sum(others) = 0 AS bounced",
        ]
        for name, asked, first in (("entry", self._asks_entry, "min"), ("exit", self._asks_exit, "max")):
            if asked:
                some = f"FILTER ({name} IS NOT NULL)"
                measures.append(f"{first}(stretch * {GAP_US} + {name} // {CODES}) AS {name}_us")
                measures += [f"arg_{first}({each}, stretch) {some} AS {each}" for each in (name, f"{name}_turned")]
        measures += [
            f"min(low_{name}) AS low_{name}, max(high_{name}) AS high_{name}"
            for name in dimensions.OF_EVENTS
            if name in self.named
        ]
        measures += [
            f"CAST(sum(c{number}) AS BIGINT) AS c{number}, fsum(r{number}) AS r{number}"
            for number in range(len(self.goals))
        ]
        return f"""all_visits AS MATERIALIZED (
            SELECT person, session, {", ".join(measures)} FROM numbered GROUP BY person, session)"""

    def _first_of(self, name: str, where: str) -> str:
        """The first value of visits that have several."""
        several = f"SELECT person AS who, session, first_us, last_us FROM all_visits WHERE low_{name} <> high_{name}"
        return f"""first_{name} AS MATERIALIZED (
            SELECT who AS person, session, arg_min({name}, (occurred_us, event_id)) AS value
            FROM events JOIN ({several}) ON who = person AND occurred_us BETWEEN first_us AND last_us
            WHERE {name} IS NOT NULL AND {where} GROUP BY ALL)"""

    def _ends(self, names: Sequence[str], where: str) -> str:
        """`settled`: the first and last origin of visits where several meet at that instant, by their event ids. Such are those
        in which the least and the least with the numbers turned round differ.
        """
        tied = " UNION ALL ".join(
            f"SELECT person AS who, {name}_us AS us FROM all_visits "
            f"WHERE {name} & {CODES - 1} <> {CODES - 1} - ({name}_turned & {CODES - 1})"
            for name in names
        )
        return f"""settled AS MATERIALIZED (
            SELECT who, us, arg_min(code, event_id) AS entry, arg_max(code, event_id) AS exit
            FROM {self._events} JOIN (SELECT DISTINCT who, us FROM ({tied})) ON who = person AND us = occurred_us
            WHERE kind = 'page' AND {where} GROUP BY who, us)"""

    def _visits(self, params: Parameters) -> str:
        """With their values, and only those that fit."""
        joins, values = [], {}
        for name in dimensions.OF_EVENTS:
            if name in self.named:
                joins.append(f"LEFT JOIN first_{name} USING (person, session)")
                values[name] = f"coalesce(first_{name}.value, low_{name})"
        for name, asked in (("entry", self._asks_entry), ("exit", self._asks_exit)):
            if asked:
                joins.append(
                    f"LEFT JOIN settled AS {name}_tie ON {name}_tie.who = person AND {name}_tie.us = {name}_us"
                )
                code = f"coalesce({name}_tie.{name}, all_visits.{name} & {CODES - 1})"
                joins.append(f"LEFT JOIN origins AS {name}_origin ON {name}_origin.code = {code}")
                values[f"{name}_page"] = f"{name}_origin.page"
        if self.asks_sources:
            joins.append("LEFT JOIN sources ON sources.code = entry_origin.code")
            values |= {name: of_source(name) for name in dimensions.OF_SOURCE}
        said = [fits(each, params, values[each.prop]) for each in self.filters[0]]
        if self.filters[1]:
            nothing = " AND ".join(fits(each, params, "CAST(NULL AS VARCHAR)") for each in self.filters[1])
            said.append(f"(views > 0 OR (pages = 0 AND {nothing}))")
        value = values.get(self.by or "")
        named = f", coalesce({value}, {params.add(dimensions.label_of(self.by or ''))}) AS value" if value else ""
        reached = "".join(f", c{number}, r{number}" for number in range(len(self.goals)))
        kept = "SEMI JOIN visits USING (person, session)" if said else ""
        return f"""visits AS MATERIALIZED (
            SELECT person, session, all_visits.first_us, all_visits.last_us - all_visits.first_us AS us, pages, views,
                bounced{reached}{named}
            FROM all_visits {" ".join(joins)} WHERE {" AND ".join(said) or "true"}
        ), parts AS (SELECT person, period, views, arrives FROM numbered {kept})"""

    def _seen(self, where: str, params: Parameters) -> str:
        by_period = "" if self._is_aligned else f", {self.periods.index_sql()} AS period"
        on = "person, stretch" if self._is_aligned else "person, stretch, period"
        value = {"page": "page", "hostname": "nullif(hostname, '')", "title": "nullif(title, '')"}[self.by or ""]
        key = "page_title AS title" if self.by == "title" else "code"
        joined = "" if self.by == "title" else "JOIN origins USING (code)"
        named = f"coalesce({value}, {params.add(dimensions.label_of(self.by or ''))})"
        return f"""viewed AS (
            SELECT person, occurred_us // {GAP_US} AS stretch{by_period}, {key}, count(*) AS seen_views
            FROM {self._events} WHERE {self._is_view(params)} AND {where} GROUP BY ALL
        ), seen AS (
            SELECT person, session, {named} AS value, CAST(sum(seen_views) AS BIGINT) AS views
            FROM viewed JOIN (SELECT {on}, session FROM numbered) USING ({on}) {joined} GROUP BY ALL
        )"""
