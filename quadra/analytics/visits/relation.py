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
from quadra.analytics.visits.addresses import (
    host_of,
    names_one_of,
    page_of,
    parameter_of,
    referrer_host_of,
    without_www,
)
from quadra.analytics.visits.channels import CLICK_IDS, channel_of
from quadra.analytics.visits.goal import PAGE_KEY, Goal
from quadra.core.api.given import Filter, Where


@dataclass(frozen=True)
class Visits:
    """Those of one range."""

    question: Question
    periods: Periods
    by: str | None = None
    goals: Sequence[Goal] = ()

    @cached_property
    def _filters(self) -> tuple[Where, Where, Where]:
        return dimensions.split(self.question.where)

    @cached_property
    def _named(self) -> set[str]:
        """The dimensions of visits whose value is needed."""
        return {each.prop for each in self._filters[0]} | ({self.by} if self.by else set()) - set(dimensions.OF_VIEWS)

    def _where(self, params: Parameters) -> str:
        question = replace(self.question, where=self._filters[2])
        return f"{question.range.sql} AND {where_clause(question, params, people=True)}"

    def sql(self, params: Parameters) -> str:
        """Relations, without their WITH: `visits` (person, session, first_us, us, views, bounced, value, c0, r0, c1, …),
        `parts` (person, session, period, views) and, by a dimension of page views, `seen` (person, session, value, views).
        """
        where = self._where(params)
        found = [self._pages(where)] if self._asks_of_pages else []
        found += [self._stretches(where, params), self._all_visits()]
        found += [self._first_of(each, where) for each in dimensions.OF_EVENTS if each in self._named]
        if self._named & {*dimensions.OF_SOURCE, "entry_page"}:
            found.append(self._end("entries", "entry_us", "arg_min", where))
        if self._named & {*dimensions.OF_SOURCE}:
            found.append(self._sources(params))
        if "exit_page" in self._named:
            found.append(self._end("exits", "exit_us", "arg_max", where))
        found.append(self._visits(params))
        if self.by in dimensions.OF_VIEWS:
            found.append(self._seen(where, params))
        return ",\n".join(found)

    @property
    def _asks_of_pages(self) -> bool:
        of_pages = {"page", "hostname", *dimensions.ENDS}
        named = {self.by, *(each.prop for part in self._filters[:2] for each in part)}
        return bool(of_pages & named) or any(goal.page is not None for goal in self.goals)

    def _pages(self, where: str) -> str:
        columns = f"{PAGE_KEY} AS key, {page_of()} AS page, {host_of('page_url')} AS hostname"
        return f"""pages AS MATERIALIZED (
            SELECT {columns} FROM (SELECT DISTINCT page_url, page_query FROM events WHERE kind = 'page' AND {where}))"""

    def _is_view(self, params: Parameters) -> str:
        """The condition of a page view that the filters of page views let through."""
        return " AND ".join(["kind = 'page'", *(self._view_fits(each, params) for each in self._filters[1])])

    def _view_fits(self, wanted: Filter, params: Parameters) -> str:
        if wanted.prop == "title":
            return fits(wanted, params, "page_title")
        return f"{PAGE_KEY} IN (SELECT key FROM pages WHERE {fits(wanted, params, wanted.prop)})"

    @property
    def _is_aligned(self) -> bool:
        """Whether no period ends within a stretch."""
        return all(start % GAP_US == 0 for start in self.periods.starts[1:])

    def _stretches(self, where: str, params: Parameters) -> str:
        columns = ["person", "occurred_us", "kind", f"({self._is_view(params)}) AS is_view"]
        measures = [
            "min(occurred_us) AS first_us, max(occurred_us) AS last_us",
            "count(*) FILTER (kind = 'page') AS pages, count(*) FILTER (kind <> 'page' AND kind <> 'identify') AS others",
            "count(*) FILTER (is_view) AS views",
        ]
        if self._named & {*dimensions.OF_SOURCE, "entry_page"}:
            measures.append("min(occurred_us) FILTER (kind = 'page') AS entry_us")
        if "exit_page" in self._named:
            measures.append("max(occurred_us) FILTER (kind = 'page') AS exit_us")
        for name in dimensions.OF_EVENTS:
            if name in self._named:
                columns.append(name)
                measures.append(f"min({name}) AS low_{name}, max({name}) AS high_{name}")
        for number, goal in enumerate(self.goals):
            columns += [f"({goal.sql(params)}) AS is_{number}", f"{goal.value_sql(params)} AS worth_{number}"]
            measures.append(
                f"count(*) FILTER (is_{number}) AS c{number}, fsum(worth_{number}) FILTER (is_{number}) AS r{number}"
            )
        by_period = "" if self._is_aligned else f", {self.periods.index_sql()} AS period"
        period = f", {self.periods.index_sql('first_us')} AS period" if self._is_aligned else ""
        ordered = "PARTITION BY person ORDER BY first_us"
        return f"""chosen AS (SELECT {", ".join(columns)} FROM events WHERE {where}),
        stretches AS (
            SELECT person, occurred_us // {GAP_US} AS stretch{by_period}, {", ".join(measures)} FROM chosen GROUP BY ALL
        ), cut AS (
            SELECT *{period}, coalesce(first_us - lag(last_us) OVER ({ordered}) > {GAP_US}, true) AS begins FROM stretches
        ), numbered AS MATERIALIZED (
            SELECT *, sum(begins::INTEGER) OVER ({ordered} ROWS UNBOUNDED PRECEDING) AS session FROM cut
        )"""

    def _all_visits(self) -> str:
        measures = [
            "min(first_us) AS first_us, max(last_us) AS last_us, CAST(sum(pages) AS BIGINT) AS pages",
            "CAST(sum(views) AS BIGINT) AS views, sum(pages) <= 1 AND sum(others) = 0 AS bounced",
        ]
        if self._named & {*dimensions.OF_SOURCE, "entry_page"}:
            measures.append("min(entry_us) AS entry_us")
        if "exit_page" in self._named:
            measures.append("max(exit_us) AS exit_us")
        measures += [
            f"min(low_{name}) AS low_{name}, max(high_{name}) AS high_{name}"
            for name in dimensions.OF_EVENTS
            if name in self._named
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

    def _end(self, name: str, at: str, first: str, where: str) -> str:
        """The first or last page view of each visit that has one."""
        view = "{'key': " + PAGE_KEY + ", 'url': coalesce(page_url, ''), 'referrer': coalesce(referrer, '')}"
        some = f"SELECT person AS who, session, {at} FROM all_visits WHERE {at} IS NOT NULL"
        return f"""{name} AS MATERIALIZED (
            SELECT who AS person, session, unnest({first}({view}, event_id))
            FROM events JOIN ({some}) ON who = person AND {at} = occurred_us
            WHERE kind = 'page' AND {where} GROUP BY who, session)"""

    def _sources(self, params: Parameters) -> str:
        utm = ", ".join(f"{parameter_of('url', name)} AS {name}" for name in dimensions.UTM)
        own = f"{without_www('own')} = {without_www('host')}"
        return f"""sources AS MATERIALIZED (
            SELECT *, {channel_of(params)} AS channel, nullif(host, '') AS referrer_host FROM (
                SELECT *, lower(utm_medium) AS medium, coalesce(nullif(lower(utm_source), ''), host) AS source FROM (
                    SELECT * REPLACE (CASE WHEN own <> '' AND {own} THEN '' ELSE host END AS host) FROM (
                        SELECT url, referrer, {utm}, {names_one_of("url", tuple(CLICK_IDS))} AS click_id,
                            {host_of("url")} AS own, {referrer_host_of("referrer")} AS host
                        FROM (SELECT DISTINCT url, referrer FROM entries)
                    )
                )
            ))"""

    def _visits(self, params: Parameters) -> str:
        """With their values, and only those that fit."""
        joins, values = [], {}
        for name in dimensions.OF_EVENTS:
            if name in self._named:
                joins.append(f"LEFT JOIN first_{name} USING (person, session)")
                values[name] = f"coalesce(first_{name}.value, low_{name})"
        if self._named & {*dimensions.OF_SOURCE, "entry_page"}:
            joins.append("LEFT JOIN entries USING (person, session)")
        if self._named & {*dimensions.OF_SOURCE}:
            joins.append("LEFT JOIN sources ON sources.url = entries.url AND sources.referrer = entries.referrer")
            values |= {name: f"nullif(sources.{name}, '')" for name in ("channel", *dimensions.UTM)}
            values["referrer"] = "sources.referrer_host"
        if "entry_page" in self._named:
            joins.append("LEFT JOIN pages AS first_page ON first_page.key = entries.key")
            values["entry_page"] = "first_page.page"
        if "exit_page" in self._named:
            joins.append(
                "LEFT JOIN exits USING (person, session) LEFT JOIN pages AS last_page ON last_page.key = exits.key"
            )
            values["exit_page"] = "last_page.page"
        said = [fits(each, params, values[each.prop]) for each in self._filters[0]]
        if self._filters[1]:
            nothing = " AND ".join(fits(each, params, "CAST(NULL AS VARCHAR)") for each in self._filters[1])
            said.append(f"(views > 0 OR (pages = 0 AND {nothing}))")
        value = values.get(self.by or "")
        named = f", coalesce({value}, {params.add(dimensions.label_of(self.by or ''))}) AS value" if value else ""
        reached = "".join(f", c{number}, r{number}" for number in range(len(self.goals)))
        return f"""visits AS MATERIALIZED (
            SELECT person, session, all_visits.first_us, all_visits.last_us - all_visits.first_us AS us, pages, views,
                bounced{reached}{named}
            FROM all_visits {" ".join(joins)} WHERE {" AND ".join(said) or "true"}
        ), parts AS (
            SELECT person, session, period, views FROM numbered {"SEMI JOIN visits USING (person, session)" if said else ""}
        )"""

    def _seen(self, where: str, params: Parameters) -> str:
        value = {"page": "page", "hostname": "nullif(hostname, '')", "title": "nullif(page_title, '')"}[self.by or ""]
        key = "page_title" if self.by == "title" else PAGE_KEY
        joined = "" if self.by == "title" else "LEFT JOIN pages ON pages.key = viewed.key"
        by_period = "" if self._is_aligned else f", {self.periods.index_sql()} AS period"
        on = "person, stretch" if self._is_aligned else "person, stretch, period"
        named = f"coalesce({value}, {params.add(dimensions.label_of(self.by or ''))})"
        return f"""viewed AS (
            SELECT person, occurred_us // {GAP_US} AS stretch{by_period}, {key} AS key, count(*) AS views
            FROM events WHERE {self._is_view(params)} AND {where} GROUP BY ALL
        ), seen AS (
            SELECT person, session, {named.replace("page_title", "viewed.key")} AS value,
                CAST(sum(viewed.views) AS BIGINT) AS views
            FROM viewed JOIN numbered USING ({on}) {joined} GROUP BY ALL
        )"""
