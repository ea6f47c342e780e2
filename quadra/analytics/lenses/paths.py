"""Paths: from where to where people go, step by step within a session. `sessions` says where a session begins."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.lenses.path_columns import edges, together
from quadra.analytics.lenses.settling import TooManyTied, names_of, settle
from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.pages import ADDRESS as ADDRESS_COLUMNS
from quadra.analytics.questions.pages import TooManyAddresses, pages_of
from quadra.analytics.questions.people import PEOPLE_MOST
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, where_clause
from quadra.analytics.questions.stretches import Closed, Reading, stretched
from quadra.analytics.questions.timeline import Codes, Column, Timeline, timelines
from quadra.analytics.questions.visits import GAP_US, WITH_PAGES
from quadra.core.api.params import choice, says, within
from quadra.core.pages import page_of
from quadra.core.typed import Typed
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.texts import Texts

EDGES_OF = ("edge", "count", "us")
INCLUDES = {"all": "true", "page": "kind = 'page'", "event": "kind <> 'page'"}
NODE = "CASE WHEN kind = 'page' THEN coalesce(page, name) ELSE name END"
READ = [
    *(f"CASE WHEN kind = 'page' THEN {name} END AS {name}" for name in ADDRESS_COLUMNS),
    "CASE WHEN kind = 'page' AND page_url <> '' THEN NULL ELSE name END AS named",
]
"""What `NODE` is made of."""
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
    """None where the statement has to say it all: sessions are cut, or too much happens at one instant."""
    if asked.start is not None or asked.end is not None:
        return None
    with suppress(TooManyAddresses, TooManyTied):
        kept = stretched(events, events.look, _reading(events, asked))
        if kept is not None:
            opened = kept.opened
            parts = [
                pa.table({name: stretch.columns[name].astype(np.int64) for name in EDGES_OF})
                for stretch in kept.stretches
            ]
            parts += [edges(opened.who, opened.us, opened.others["node"], asked.max_steps)] if parts else []
            return _most(together(parts), lambda code: kept.texts.text(code) or "", asked.limit) if parts else []
        params, known, parts = Parameters(), dict[str, int](), []
        where = _where(asked, params)
        for timeline in timelines(events.look, READ, where, params, source=_source(asked)):
            if len(timeline.us):
                nodes = _nodes(events, timeline, lambda texts: [known.setdefault(text, len(known)) for text in texts])
                who, named = timeline.who, names_of(timeline.people)
                settle(events, who, timeline.us, nodes, named, known.__getitem__, partial(_taken, asked))
                parts += [edges(piece.who, piece.us, part, asked.max_steps) for piece, part in timeline.pieces(nodes)]
        return _most(together(parts), list(known).__getitem__, asked.limit) if parts else []
    return None


def _source(asked: Params) -> str:
    return WITH_PAGES if asked.include_events or asked.exclude_events else "events"


def _reading(events: Snapshot, asked: Params) -> Reading:
    params = Parameters()

    def prepare(timeline: Timeline, texts: Texts) -> dict[str, Column]:
        return {"node": _nodes(events, timeline, lambda names: texts.encoded(pa.chunked_array([names], pa.string())))}

    def settled(timeline: Timeline, texts: Texts, span: Range) -> None:
        who, us, nodes = timeline.who, timeline.us, timeline.others["node"]
        settle(events.within(span), who, us, nodes, texts.named, texts.coded, partial(_taken, asked))

    def count(timeline: Timeline, closed: Closed, _base: int, _periods: int) -> dict[str, Column]:
        nodes = timeline.others["node"][closed.events]
        found = edges(timeline.who[closed.events], timeline.us[closed.events], nodes, asked.max_steps)
        return {name: found[name].to_numpy() for name in EDGES_OF}

    return Reading(
        name=f"paths of {asked.max_steps}",
        columns=READ,
        where=_where(asked, params, "user_id"),
        params=params,
        source=_source(asked),
        starts=(events.look.span.start_us or 0,),
        prepare=prepare,
        settle=settled,
        count=count,
    )


def _nodes(events: Snapshot, timeline: Timeline, coded: Callable[[list[str]], Any]) -> Codes:
    """The number of each event's node."""
    (pages, names), named = pages_of(events, timeline), timeline.texts["named"]
    of_page, of_name = (np.array([*coded(texts), 0], np.int32) for texts in (names, named.values.to_pylist()))
    return np.where(pages < 0, of_name[named.codes], of_page[pages])


def _most(found: pa.Table, name: Callable[[int], str], limit: int) -> list[Edge]:
    """The most frequent edges, those of one count in the order of their names."""
    ends = (found[end].to_numpy() for end in ("source", "target"))
    names = {code: name(code) for code in np.unique(np.concatenate([*ends])).tolist()}
    ranks = np.zeros(max(names, default=0) + 1, np.int64)
    ranks[sorted(names, key=names.__getitem__)] = np.arange(len(names))
    for end in ("source", "target"):
        found = found.append_column(f"{end}_rank", pa.array(ranks[found[end].to_numpy()]))
    order = [
        ("count", "descending"),
        ("source_rank", "ascending"),
        ("target_rank", "ascending"),
        ("position", "ascending"),
    ]
    return [
        Edge(
            position=row["position"],
            source=names[row["source"]],
            target=names[row["target"]],
            count=row["count"],
            average_seconds=row["us"] / row["count"] / 1e6,
        )
        for row in found.sort_by(order).slice(0, limit).to_pylist()
    ]


def _node(name: str) -> str:
    """A page may be named by a whole address of it."""
    return TRAILING.sub("", page_of(name) if ADDRESS.match(name) else name)


def _where(asked: Params, params: Parameters, person: str = "person") -> str:
    """The condition of the events that take part."""
    where = [where_clause(asked.question, params, people=True, person=person), INCLUDES[asked.include]]
    for names, sign in ((asked.include_events, ""), (asked.exclude_events, "NOT ")):
        if names:
            listed, nodes = params.add(list(names)), params.add([_node(name) for name in names])
            where.append(f"{sign}(coalesce(list_position({listed}, name), list_position({nodes}, {NODE}), 0) > 0)")
    return " AND ".join(where)


def _taken(asked: Params, params: Parameters) -> str:
    """The events that take part."""
    where = _where(asked, params)
    return f"SELECT person, occurred_us AS us, event_id, {NODE} AS value FROM {WITH_PAGES} WHERE {where}"


def _pairs(asked: Params, params: Parameters) -> str:
    """The relation `pairs`: events that take part, cut into sessions, repeats collapsed, cut at start and end, numbered."""
    first = f"""
        WITH taken AS (SELECT * RENAME (value AS node) FROM ({_taken(asked, params)})), cut AS (
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
