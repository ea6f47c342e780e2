"""Paths: from where to where people go, step by step within a session. `sessions` says where a session begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quadra.accounts.tables import Project
from quadra.analytics.lenses.path_columns import bits_of, edges, ties
from quadra.analytics.lenses.sessions import GAP_US, PAGE
from quadra.analytics.questions.matching import Match, Parameters, people_only
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.warehouse.look import is_noting

STEPS, STEPS_MOST = 5, 20
EDGES, EDGES_MOST = 1_000, 10_000
TIED_MOST = 200_000
"""Instants at which one person does several things."""
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
    with asking(runtime, paths.question) as ask:
        found = _of_columns(ask, paths)
        if found is None:
            params = Parameters()
            found = ask.rows(_sql(paths, params), params)
        return ask.told(edges=found)


def _of_columns(ask: Asking, paths: Paths) -> list[dict[str, Any]] | None:
    """None where the statement has to say it all: sessions are cut, numbers get too large, or somebody wants to read it."""
    if paths.start is not None or paths.end is not None or is_noting():
        return None
    question, params = paths.question, Parameters()
    nodes = ask.look.query(f"SELECT DISTINCT node FROM ({_taken(paths, params)}) ORDER BY node", params).table["node"]
    if not len(nodes):
        return []
    names = nodes.to_pylist()
    bits = bits_of(len(names), question.end_us - question.start_us)
    if bits is None:
        return None
    params = Parameters()
    numbered, taken = _numbered(names, params), _taken(paths, params)
    packed = f"(us - {question.start_us}) * {1 << bits} + number"
    sql = f"""
        WITH {numbered} SELECT person, list_sort(list({packed})) AS history
        FROM ({taken}) JOIN nodes USING (node) GROUP BY person"""
    people = ask.look.query(sql, params).table
    tied, times = ties(people["history"], bits)
    if len(tied) > TIED_MOST:
        return None
    settled = _settled(ask, paths, names, people, tied, times) if tied else pa.array([], pa.int64())
    found = edges(people["history"], bits, paths.max_steps, settled)
    order = [("count", "descending"), ("source", "ascending"), ("target", "ascending"), ("position", "ascending")]
    return [
        {
            "position": row["position"],
            "source": names[row["source"]],
            "target": names[row["target"]],
            "count": row["count"],
            "average_seconds": row["us"] / row["count"] / 1e6,
        }
        for row in found.sort_by(order).slice(0, paths.limit).to_pylist()
    ]


def _settled(
    ask: Asking, paths: Paths, names: list[str], people: pa.Table, tied: list[int], times: list[int]
) -> pa.Array:
    """The numbers of the nodes of these people's events of these instants, by event id."""
    params = Parameters()
    numbered, taken = _numbered(names, params), _taken(paths, params)
    who = params.add(people["person"].take(pa.array(tied)).to_pylist())
    sql = f"""
        WITH {numbered}, tied AS MATERIALIZED (
            SELECT unnest({params.add(tied)}) AS place, unnest({who}) AS person,
                unnest({params.add(times)}) + {paths.question.start_us} AS us
        )
        SELECT CAST(number AS BIGINT) AS number FROM ({taken}) JOIN tied USING (person, us) JOIN nodes USING (node)
        ORDER BY place, us, event_id"""
    return ask.look.query(sql, params).table["number"].combine_chunks()


def _numbered(names: list[str], params: Parameters) -> str:
    """The relation `nodes`; numbers are in the order of the names."""
    listed = params.add(names)
    return f"nodes AS MATERIALIZED (SELECT unnest({listed}) AS node, generate_subscripts({listed}, 1)::BIGINT - 1 AS number)"


def _node(name: str | None) -> str | None:
    return name and TRAILING.sub("", name)


def _taken(paths: Paths, params: Parameters) -> str:
    """The events that take part."""
    where = [people_only(paths.question.include_bots), Match(where=paths.question.where).sql(params)]
    where.append(INCLUDES[paths.include])
    for names, sign in ((paths.include_events, ""), (paths.exclude_events, "NOT ")):
        if names:
            listed = params.add(list(names))
            where.append(f"{sign}(coalesce(list_position({listed}, name), list_position({listed}, {NODE}), 0) > 0)")
    return f"SELECT person, occurred_us AS us, event_id, {NODE} AS node FROM events WHERE {' AND '.join(where)}"


def _sql(paths: Paths, params: Parameters) -> str:
    """Events that take part, cut into sessions, repeats collapsed, cut at start and end, numbered; then pairs are counted."""
    first = f"""
        WITH taken AS ({_taken(paths, params)}), cut AS (
            SELECT *, coalesce(us - lag(us) OVER ordered > {GAP_US}, true) AS begins, lag(node) OVER ordered AS previous
            FROM taken WINDOW ordered AS (PARTITION BY person ORDER BY us, event_id)
        ), collapsed AS (
            SELECT person, us, event_id, node, begins FROM cut WHERE begins OR previous IS DISTINCT FROM node
        ),"""
    pairs = _pairs_of_whole(paths) if paths.start is None and paths.end is None else _pairs_of_parts(paths, params)
    return f"""{first} {pairs}
        SELECT position, source, target, count(*) AS count, favg(us) / 1e6 AS average_seconds
        FROM pairs WHERE target IS NOT NULL AND position < {params.add(paths.max_steps)}
        GROUP BY position, source, target
        ORDER BY count DESC, source, target, position LIMIT {params.add(paths.limit)}"""


def _pairs_of_whole(paths: Paths) -> str:
    """From the begin of each session on. Its first places are found by looking back for its begin: nothing is sorted again."""
    places = " ".join(
        f"WHEN lag(begins, {back}) OVER ordered THEN {back + 1}" for back in range(1, paths.max_steps - 1)
    )
    return f"""
        pairs AS (
            SELECT CASE WHEN begins THEN 1 {places} END AS position, node AS source,
                CASE WHEN NOT lead(begins) OVER ordered THEN lead(node) OVER ordered END AS target,
                lead(us) OVER ordered - us AS us
            FROM collapsed WINDOW ordered AS (PARTITION BY person ORDER BY us, event_id)
        )"""


def _pairs_of_parts(paths: Paths, params: Parameters) -> str:
    """Cut at the first event at which it starts, and behind the first at which it ends."""
    begin, finish = "", ""
    if paths.start is not None:
        begin = f"QUALIFY place >= min(place) FILTER (node = {params.add(paths.start)}) OVER session"
    if paths.end is not None:
        finish = f"QUALIFY position <= min(position) FILTER (node = {params.add(paths.end)}) OVER session"
    ordered = "PARTITION BY person ORDER BY us, event_id"
    return f"""
        numbered AS (
            SELECT *, sum(begins::INTEGER) OVER ({ordered} ROWS UNBOUNDED PRECEDING) AS session,
                row_number() OVER ({ordered}) AS place
            FROM collapsed
        ), begun AS (
            SELECT *, row_number() OVER (PARTITION BY person, session ORDER BY place) AS position
            FROM (SELECT * FROM numbered WINDOW session AS (PARTITION BY person, session) {begin})
        ), walked AS (
            SELECT * FROM begun WINDOW session AS (PARTITION BY person, session) {finish}
        ), pairs AS (
            SELECT position, node AS source, lead(node) OVER way AS target, lead(us) OVER way - us AS us
            FROM walked WINDOW way AS (PARTITION BY person, session ORDER BY position)
        )"""
