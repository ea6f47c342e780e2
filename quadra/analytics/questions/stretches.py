"""What people did, day by day: sessions that begin and end well inside a day are counted once, and what was counted is kept as
long as nothing of the day changes. Sessions near the edges of a day are kept event by event, and joined across them.

A day is a part of a question by the files and fresh rows that hold some of it, so an event that comes late makes its own day
anew. Who is one person is decided when a day is read: the part says for which ids, and holds as long as they are the same people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot
from quadra.analytics.questions.timeline import (
    ROWS_AT_ONCE,
    Codes,
    Column,
    Flags,
    Numbers,
    Places,
    Timeline,
    begins,
    in_order,
    listed,
    read,
)
from quadra.analytics.questions.visits import GAP_US
from quadra.warehouse.query.fresh import Fresh
from quadra.warehouse.query.shelf import Key, Several, Shape, small
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Columns
from quadra.warehouse.query.texts import Texts, TooMany
from quadra.warehouse.segments.catalogue import DAY_US, Listed

DAYS_MOST = 5_000
FIRST_SECONDS = 5.0
"""For so long a question is answered as a whole: to make the parts takes up to half as much again, for those who ask later."""
FRESH_US = 4 * 3_600 * 1_000_000
"""A part of a day that has fresh rows."""
IDS, NAMED, WHO, US = "ids", "named", "open_who", "open_us"
OPEN = "open "

Prepared = dict[str, Column]
"""Of each event, by name."""


@dataclass(frozen=True)
class Closed:
    """The sessions that begin and end inside a stretch."""

    events: Flags
    """Which are theirs."""
    first: Numbers
    """The places of the first event of each, and of the last."""
    last: Numbers


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read of each event, and what is kept of it."""

    name: str
    """Of all that `prepare` and `count` do, whatever the range is."""
    columns: Sequence[str]
    where: str
    """It names the person as `user_id`."""
    params: Parameters
    source: str = "events"
    starts: Sequence[int]
    """Of the periods."""
    edges: Sequence[int] = ()
    """Instants at which a stretch ends, beside the ends of days."""
    prepare: Callable[[Timeline, Texts], Prepared]
    """Of the events as they were read, in no order."""
    settle: Callable[[Timeline, Texts, Range], None] = lambda _timeline, _texts, _span: None
    """Put the values of one instant of one person in their order, in place."""
    count: Callable[[Timeline, Closed, int, int], Columns]
    """What is kept of a stretch: of all its events, the sessions that end inside it, the period that it begins in, and how many
    it has something of.
    """


@dataclass(frozen=True)
class Stretch:
    start_us: int
    base: int
    """The period that it begins in."""
    columns: Columns


@dataclass(frozen=True)
class Stretched:
    """All of a range."""

    stretches: list[Stretch]
    opened: Timeline
    """The events of the sessions that a stretch alone does not tell the ends of; persons are codes of `texts`."""
    texts: Texts


@dataclass(frozen=True)
class _Piece:
    start_us: int
    end_us: int
    rows: int
    base: int
    periods: int
    key: Key


def stretched(events: Snapshot, look: Look, asked: Reading) -> Stretched | None:
    """None where it has to be read as a whole: for the first time, of chosen people or traits, by another engine, or where there
    is too much of it.
    `look` is one of `events`, with a beginning.
    """
    if look.elsewhere is not None or look.chosen is not None or look.traits is not None:
        return None
    name = repr((asked.name, asked.columns, asked.source, asked.where, asked.params))
    shelf, pieces = events.partials.shelf(look, name), _pieces(look, asked)
    if shelf is None or pieces is None:
        return None
    texts, shape = shelf
    if time.monotonic() - shape.begun < FIRST_SECONDS:
        return None
    try:
        return _collected(events, look, asked, pieces, texts, shape)
    except TooMany:
        events.partials.give_up(shape)
        return None


def _collected(
    events: Snapshot, look: Look, asked: Reading, pieces: list[_Piece], texts: Texts, shape: Shape
) -> Stretched:
    identities = look.identities()
    persons = texts.persons(identities)
    found: dict[_Piece, Columns] = {}
    missing: list[_Piece] = []
    for piece in pieces:
        part = shape.parts.get(piece.key)
        if part is None or not np.array_equal(persons[part.columns[IDS]], part.columns[NAMED]):
            missing.append(piece)
        else:
            part.used = shape.used
            found[piece] = part.columns
    if missing:
        events.partials.outdate(shape, [piece.key for piece in missing])
    for run in _runs(missing):
        for piece, columns in _read(look, asked, run, texts):
            found[piece] = columns
            events.partials.keep(shape, piece.key, columns)
    stretches = [Stretch(piece.start_us, piece.base, found[piece]) for piece in pieces if len(found[piece][IDS])]
    return Stretched(stretches, _opened([stretch.columns for stretch in stretches]), texts)


def _pieces(look: Look, asked: Reading) -> list[_Piece] | None:
    """In order. None where one of them is too much to be read at once, or there are too many."""
    span, starts, fresh = look.span, np.array(asked.starts, np.int64), _Fresh(look.fresh)
    by_day: dict[int, list[Listed]] = {day: [] for day in fresh.days(span)}
    for segment in look.overlapping:  # each is of one day
        by_day.setdefault(segment.min_occurred_us // DAY_US, []).append(segment)
    if len(by_day) > DAYS_MOST:
        return None
    pieces = []
    for day, segments in sorted(by_day.items()):
        ends = (day * DAY_US, (day + 1) * DAY_US)
        # where there are fresh rows there will be more, and less of the day is to be read again
        cuts = range(*ends, FRESH_US if fresh.within(*ends) else DAY_US)
        bounds = (us for us in (*asked.edges, span.start_us, span.end_us) if us is not None and ends[0] < us < ends[1])
        for start_us, end_us in pairwise(sorted({*cuts, *bounds, ends[1]})):
            inside = Range(start_us, end_us)
            if not span.meets(start_us, end_us - 1):
                continue
            files = [segment for segment in segments if inside.overlaps(segment)]
            fresh_rows = fresh.within(start_us, end_us)
            rows = fresh_rows + sum(segment.rows for segment in files)
            if rows > ROWS_AT_ONCE:
                return None
            if rows:
                base, last = (int(np.searchsorted(starts, us, side="right")) for us in (start_us, end_us - 1))
                state = look.fresh.state(inside) if fresh_rows else None
                source = Several(frozenset(segment.sha256 for segment in files), state)
                key = (source, start_us, end_us, tuple(starts[base:last].tolist()))
                pieces.append(_Piece(start_us, end_us, rows, base - 1, last - base + 1, key))
    return pieces


class _Fresh:
    """Which fresh rows there are in which time."""

    def __init__(self, fresh: Fresh):
        self._first, self._last, self._rows = (
            np.array([bound[at] for bound in fresh.bounds], np.int64) for at in (2, 3, 1)
        )
        self._opened = np.sort(fresh.opened["occurred_at"].cast(pa.int64()).to_numpy())

    def days(self, span: Range) -> set[int]:
        found = set(np.unique(self._opened // DAY_US).tolist())
        for first, last in zip(self._first.tolist(), self._last.tolist(), strict=True):
            found.update(range(first // DAY_US, min(last // DAY_US, first // DAY_US + DAYS_MOST) + 1))
        return {day for day in found if span.meets(day * DAY_US, (day + 1) * DAY_US - 1)}

    def within(self, start_us: int, end_us: int) -> int:
        """How many may be inside."""
        sealed = (self._last >= start_us) & (self._first < end_us)
        opened = int(np.diff(np.searchsorted(self._opened, (start_us, end_us)))[0])
        return int(self._rows[sealed].sum()) + opened


def _runs(missing: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Neighbours, as many as may be read at once."""
    run: list[_Piece] = []
    for piece in missing:
        if run and (run[-1].end_us != piece.start_us or sum(each.rows for each in run) + piece.rows > ROWS_AT_ONCE):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _read(look: Look, asked: Reading, run: list[_Piece], texts: Texts) -> Iterator[tuple[_Piece, Columns]]:
    span = Range(run[0].start_us, run[-1].end_us)
    sql = listed(asked.columns, asked.where, asked.source, person="user_id")
    timeline = read(look.of(span), sql, asked.params)
    ids = texts.encoded(pa.chunked_array([timeline.people], pa.string()))
    persons = texts.persons(look.identities())
    ids = ids[timeline.who]
    columns = {IDS: ids, **(asked.prepare(timeline, texts) if len(ids) else {})}
    place = Places([piece.start_us for piece in run]).of(timeline.us)
    by_place = np.argsort(place.astype(np.int16), stable=True)
    ends = np.cumsum(np.bincount(place + 1, minlength=len(run) + 1))
    for piece, (begin, end) in zip(run, pairwise(ends.tolist()), strict=True):
        rows = by_place[begin:end]
        part = {name: column[rows] for name, column in columns.items()}
        known = np.flatnonzero(np.bincount(part.pop(IDS), minlength=1))
        found = {IDS: small(known), NAMED: small(persons[known])}
        if len(rows):
            inner = in_order(Timeline(_nobody(), persons[ids[rows]], timeline.us[rows], {}, part))
            found |= _counted(asked, piece, inner, texts)
        yield piece, found


def _counted(asked: Reading, piece: _Piece, timeline: Timeline, texts: Texts) -> dict[str, Column]:
    asked.settle(timeline, texts, Range(piece.start_us, piece.end_us))
    who, us = timeline.who, timeline.us
    first = np.flatnonzero(sessions(who, us))
    last = np.append(first[1:], len(us)) - 1
    near = (us[first] - piece.start_us <= GAP_US) | (piece.end_us - us[last] <= GAP_US)
    closed = np.repeat(~near, last - first + 1)
    kept = asked.count(timeline, Closed(closed, first[~near], last[~near]), piece.base, piece.periods)
    opened = {WHO: who[~closed], US: us[~closed]}
    opened |= {OPEN + name: column[~closed] for name, column in timeline.others.items()}
    return {name: small(column) for name, column in {**kept, **opened}.items()}


def sessions(who: Codes, us: Numbers) -> Flags:
    """Where one begins, of events in order."""
    found = begins(who)
    found[1:] |= np.diff(us) > GAP_US
    return found


def _opened(parts: Sequence[Columns]) -> Timeline:
    names = [name for name in (parts[0] if parts else ()) if name.startswith(OPEN)]
    who = np.concatenate([np.zeros(0, np.int32), *(part[WHO] for part in parts)]).astype(np.int32)
    us = np.concatenate([np.zeros(0, np.int64), *(part[US] for part in parts)]).astype(np.int64)
    columns = {name.removeprefix(OPEN): np.concatenate([part[name] for part in parts]) for name in names}
    return in_order(Timeline(_nobody(), who, us, {}, columns), stable=True)


def _nobody() -> pa.Array:
    """People go by their codes here. Not a constant: it loads PyArrow (`core/lazy.py`)."""
    return pa.array([], pa.string())
