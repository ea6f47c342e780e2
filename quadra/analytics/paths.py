"""Paths: from where to where people go, step by step within a session. `sessions` says where a session begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.given import Given
from quadra.analytics.matching import Match, Parameters, people_only
from quadra.analytics.question import Question, read_question, told
from quadra.analytics.sessions import GAP_US, PAGE
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

STEPS, STEPS_MOST = 5, 20
EDGES, EDGES_MOST = 1_000, 10_000
INCLUDES = {"all": "true", "page": "kind = 'page'", "event": "kind <> 'page'"}
NODE = f"CASE WHEN kind = 'page' THEN coalesce(nullif({PAGE}, ''), name) ELSE name END"
TRAILING = re.compile(r"(?<=[^/])/+$")


@dataclass(frozen=True)
class Paths:
    question: Question
    max_steps: int
    start: str | None
    end: str | None
    include: str
    """`page`: page views, by their pages; `event`: the others, by their names; `all`: both."""
    include_events: tuple[str, ...]
    exclude_events: tuple[str, ...]
    limit: int


def read(given: Given, project: Project) -> Paths:
    paths = Paths(
        question=read_question(given, project),
        max_steps=given.number("max_steps", STEPS, 2, STEPS_MOST),
        start=_node(given.text("start")),
        end=_node(given.text("end")),
        include=given.choice("include", tuple(INCLUDES), "all"),
        include_events=given.names("include_events"),
        exclude_events=given.names("exclude_events"),
        limit=given.number("limit", EDGES, 1, EDGES_MOST),
    )
    given.check()
    return paths


def answer(runtime: Runtime, paths: Paths) -> dict[str, Any]:
    question = paths.question
    params = Parameters()
    sql = _sql(paths, params)
    found = query(runtime, question.project_id, sql, params, start_us=question.start_us, end_us=question.end_us)
    columns = ("position", "source", "target", "count", "average_seconds")
    return told(found, edges=[dict(zip(columns, row, strict=True)) for row in found.rows])


def _node(name: str | None) -> str | None:
    return name and TRAILING.sub("", name)


def _sql(paths: Paths, params: Parameters) -> str:
    """Events that take part, cut into sessions, repeats collapsed, cut at start and end, numbered; then pairs are counted."""
    where = [people_only(paths.question.include_bots), Match(where=paths.question.where).sql(params)]
    where.append(INCLUDES[paths.include])
    for names, sign in ((paths.include_events, ""), (paths.exclude_events, "NOT ")):
        if names:
            listed = params.add(list(names))
            where.append(f"{sign}(list_contains({listed}, name) OR list_contains({listed}, {NODE}))")
    begin, finish = "", ""
    if paths.start is not None:
        begin = f"QUALIFY place >= min(place) FILTER (node = {params.add(paths.start)}) OVER session"
    if paths.end is not None:
        finish = f"QUALIFY position <= min(position) FILTER (node = {params.add(paths.end)}) OVER session"
    ordered = "PARTITION BY person ORDER BY us, event_id"
    return f"""
        WITH taken AS (
            SELECT person, occurred_us AS us, event_id, {NODE} AS node FROM events WHERE {" AND ".join(where)}
        ), cut AS (
            SELECT *, coalesce(us - lag(us) OVER ({ordered}) > {GAP_US}, true) AS begins FROM taken
        ), numbered AS (
            SELECT *, sum(begins::INTEGER) OVER ({ordered} ROWS UNBOUNDED PRECEDING) AS session FROM cut
        ), collapsed AS (
            SELECT *, row_number() OVER (PARTITION BY person, session ORDER BY us, event_id) AS place FROM (
                SELECT *, lag(node) OVER (PARTITION BY person, session ORDER BY us, event_id) AS previous FROM numbered
            ) WHERE previous IS DISTINCT FROM node
        ), begun AS (
            SELECT *, row_number() OVER (PARTITION BY person, session ORDER BY place) AS position
            FROM (SELECT * FROM collapsed WINDOW session AS (PARTITION BY person, session) {begin})
        ), walked AS (
            SELECT * FROM begun WINDOW session AS (PARTITION BY person, session) {finish}
        ), pairs AS (
            SELECT position, node AS source, lead(node) OVER way AS target, lead(us) OVER way - us AS us
            FROM walked WHERE position <= {params.add(paths.max_steps)}
            WINDOW way AS (PARTITION BY person, session ORDER BY position)
        )
        SELECT position, source, target, count(*) AS count, favg(us) / 1e6 AS average_seconds
        FROM pairs WHERE target IS NOT NULL GROUP BY position, source, target
        ORDER BY count DESC, source, target, position LIMIT {params.add(paths.limit)}"""
