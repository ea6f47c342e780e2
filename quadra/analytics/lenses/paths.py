"""Paths: from where to where people go, step by step within a session. `sessions` says where a session begins."""

from __future__ import annotations

import re
from typing import Annotated

import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.lenses.path_columns import bits_of, edges, ties
from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import PEOPLE_MOST
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, where_clause
from quadra.analytics.questions.visits import GAP_US, WITH_PAGES
from quadra.core.api.params import choice, says, within
from quadra.core.pages import page_of
from quadra.core.typed import Typed

TIED_MOST = 200_000
"""Instants at which one person does several things."""
INCLUDES = {"all": "true", "page": "kind = 'page'", "event": "kind <> 'page'"}
NODE = "CASE WHEN kind = 'page' THEN coalesce(page, name) ELSE name END"
TRAILING = re.compile(r"(?<=[^/#!])/+$")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Params(Asked, kw_only=True, frozen=True):
    max_steps: Annotated[int, within(2, 20)] = 5
    start: Annotated[str | None, says("Only from the first occurrence of this page or event on.", "/")] = None
    end: Annotated[str | None, says("Only up to the first occurrence of this page or event.")] = None
    include: Annotated[str, choice(INCLUDES, "Page views, other events, or both.")] = "all"
    include_events: Annotated[tuple[str, ...], says("Only these events or pages: `a,b`.")] = ()
    exclude_events: Annotated[tuple[str, ...], says("Without these events or pages: `a,b`.")] = ()
    limit: Annotated[int, within(1, 10_000)] = 1_000
    people_at: (
        Annotated[
            int, within(1, 19, "Name the people, too, who went from `people_from` to `people_to` at this position.")
        ]
        | None
    ) = None
    people_from: Annotated[str | None, says("The page or event that an edge begins at.", "/")] = None
    people_to: Annotated[str | None, says("The page or event that it leads to.", "/pricing")] = None


class Edge(Struct):
    position: int
    source: str
    target: str
    count: int
    average_seconds: float


class Paths(Measured, kw_only=True):
    edges: list[Edge]
    people: list[str] | UnsetType = UNSET
    """Where `people_at` asks for them, at most 1,000."""


EDGES = Typed(list[Edge])


def walked(asked: Params) -> Statement:
    """All of it in one statement."""
    params = Parameters()
    return Statement(_sql(asked, params), params)


def answer(events: Snapshot, asked: Params) -> Paths:
    whole = walked(asked)
    found = events.kept(EDGES, ("paths", whole.sql, whole.params), lambda: _edges(events, asked))
    people = UNSET if asked.people_at is None else [row["person"] for row in events.rows(named(asked))]
    return Paths(**events.measures(), edges=found, people=people)


def _edges(events: Snapshot, asked: Params) -> list[Edge]:
    found = _of_columns(events, asked)
    return events.structs(EDGES, walked(asked)) if found is None else found


def named(asked: Params) -> Statement:
    """The people of one edge."""
    params = Parameters()
    ends = (
        f"source = {params.add(_node(asked.people_from or ''))} AND target = {params.add(_node(asked.people_to or ''))}"
    )
    sql = f"""{_pairs(asked, params)}
        SELECT DISTINCT person FROM pairs WHERE position = {params.add(asked.people_at)} AND {ends}
        ORDER BY person LIMIT {PEOPLE_MOST}"""
    return Statement(sql, params)


def _of_columns(events: Snapshot, asked: Params) -> list[Edge] | None:
    """None where the statement has to say it all: sessions are cut, or numbers get too large."""
    if asked.start is not None or asked.end is not None:
        return None
    question, params = asked.question, Parameters()
    nodes = events.ask(Statement(f"SELECT DISTINCT node FROM ({_taken(asked, params)}) ORDER BY node", params)).table[
        "node"
    ]
    if not len(nodes):
        return []
    names = nodes.to_pylist()
    bits = bits_of(len(names), question.end_us - question.start_us)
    if bits is None:
        return None
    params = Parameters()
    numbered, taken = _numbered(names, params), _taken(asked, params)
    packed = f"(us - {question.start_us}) * {1 << bits} + number"
    sql = f"""
        WITH {numbered} SELECT person, list_sort(list({packed})) AS history
        FROM ({taken}) JOIN nodes USING (node) GROUP BY person"""
    people = events.ask(Statement(sql, params)).table
    tied, times = ties(people["history"], bits)
    if len(tied) > TIED_MOST:
        return None
    settled = _settled(events, asked, names, people, tied, times) if tied else pa.array([], pa.int64())
    found = edges(people["history"], bits, asked.max_steps, settled)
    order = [("count", "descending"), ("source", "ascending"), ("target", "ascending"), ("position", "ascending")]
    return [
        Edge(
            position=row["position"],
            source=names[row["source"]],
            target=names[row["target"]],
            count=row["count"],
            average_seconds=row["us"] / row["count"] / 1e6,
        )
        for row in found.sort_by(order).slice(0, asked.limit).to_pylist()
    ]


def _settled(
    events: Snapshot, asked: Params, names: list[str], people: pa.Table, tied: list[int], times: list[int]
) -> pa.Array:
    """The numbers of the nodes of these people's events of these instants, by event id."""
    params = Parameters()
    numbered, taken = _numbered(names, params), _taken(asked, params)
    who = params.add(people["person"].take(pa.array(tied)).to_pylist())
    sql = f"""
        WITH {numbered}, tied AS MATERIALIZED (
            SELECT unnest({params.add(tied)}) AS place, unnest({who}) AS person,
                unnest({params.add(times)}) + {asked.question.start_us} AS us
        )
        SELECT CAST(number AS BIGINT) AS number FROM ({taken}) JOIN tied USING (person, us) JOIN nodes USING (node)
        ORDER BY place, us, event_id"""
    return events.ask(Statement(sql, params)).table["number"].combine_chunks()


def _numbered(names: list[str], params: Parameters) -> str:
    """The relation `nodes`; numbers are in the order of the names."""
    listed = params.add(names)
    return f"nodes AS MATERIALIZED (SELECT unnest({listed}) AS node, generate_subscripts({listed}, 1)::BIGINT - 1 AS number)"


def _node(name: str) -> str:
    """A page may be named by a whole address of it."""
    return TRAILING.sub("", page_of(name) if ADDRESS.match(name) else name)


def _taken(asked: Params, params: Parameters) -> str:
    """The events that take part."""
    where = [where_clause(asked.question, params, people=True), INCLUDES[asked.include]]
    for names, sign in ((asked.include_events, ""), (asked.exclude_events, "NOT ")):
        if names:
            listed, nodes = params.add(list(names)), params.add([_node(name) for name in names])
            where.append(f"{sign}(coalesce(list_position({listed}, name), list_position({nodes}, {NODE}), 0) > 0)")
    return f"SELECT person, occurred_us AS us, event_id, {NODE} AS node FROM {WITH_PAGES} WHERE {' AND '.join(where)}"


def _pairs(asked: Params, params: Parameters) -> str:
    """The relation `pairs`: events that take part, cut into sessions, repeats collapsed, cut at start and end, numbered."""
    first = f"""
        WITH taken AS ({_taken(asked, params)}), cut AS (
            SELECT *, coalesce(us - lag(us) OVER ordered > {GAP_US}, true) AS begins, lag(node) OVER ordered AS previous
            FROM taken WINDOW ordered AS (PARTITION BY person ORDER BY us, event_id)
        ), collapsed AS (
            SELECT person, us, event_id, node, begins FROM cut WHERE begins OR previous IS DISTINCT FROM node
        ),"""
    pairs = _pairs_of_whole(asked) if asked.start is None and asked.end is None else _pairs_of_parts(asked, params)
    return f"{first} {pairs}"


def _sql(asked: Params, params: Parameters) -> str:
    """The pairs, counted."""
    return f"""{_pairs(asked, params)}
        SELECT position, source, target, count(*) AS count, favg(us) / 1e6 AS average_seconds
        FROM pairs WHERE target IS NOT NULL AND position < {params.add(asked.max_steps)}
        GROUP BY position, source, target
        ORDER BY count DESC, source, target, position LIMIT {params.add(asked.limit)}"""


def _pairs_of_whole(asked: Params) -> str:
    """From the begin of each session on. Its first places are found by looking back for its begin: nothing is sorted again."""
    places = " ".join(
        f"WHEN lag(begins, {back}) OVER ordered THEN {back + 1}" for back in range(1, asked.max_steps - 1)
    )
    return f"""
        pairs AS (
            SELECT CASE WHEN begins THEN 1 {places} END AS position, person, node AS source,
                CASE WHEN NOT lead(begins) OVER ordered THEN lead(node) OVER ordered END AS target,
                lead(us) OVER ordered - us AS us
            FROM collapsed WINDOW ordered AS (PARTITION BY person ORDER BY us, event_id)
        )"""


def _pairs_of_parts(asked: Params, params: Parameters) -> str:
    """Cut at the first event at which it starts, and behind the first at which it ends."""
    begin, finish = "", ""
    if asked.start is not None:
        begin = f"QUALIFY place >= min(place) FILTER (node = {params.add(_node(asked.start))}) OVER session"
    if asked.end is not None:
        finish = f"QUALIFY position <= min(position) FILTER (node = {params.add(_node(asked.end))}) OVER session"
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
            SELECT position, person, node AS source, lead(node) OVER way AS target, lead(us) OVER way - us AS us
            FROM walked WINDOW way AS (PARTITION BY person, session ORDER BY position)
        )"""


LENS = Lens(
    path="paths",
    title="Paths",
    says="From where to where people go within a session; the most frequent edges first.",
    group=QUESTIONS,
    Params=Params,
    Answer=Paths,
    statements=lambda asked: [walked(asked)],
    answer=answer,
)
