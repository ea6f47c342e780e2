"""The ways of many people at once, in columns: the usual funnel, in which an event fits one step at most.

It gives what `funnel_walk` gives, and leaves to it whose events fit several steps or meet at an instant at which that
matters. Times become keys, the person's number above the time: so the events of many people are one sorted column, in which
a search for the next event never takes a stranger's for one inside the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.funnels.walk import Times, Walk
from quadra.analytics.funnels.window import ways_in_any_order
from quadra.analytics.questions.columns import begins, blocks

TIME_BITS = 53
"""Of a time in microseconds, until the year 2255."""
BITS_MOST = 63 - TIME_BITS
DEPTH_BITS = BITS_MOST.bit_length()
KEY_BITS = 61 - DEPTH_BITS
NEVER = 1 << 62
"""Later than any key by more than any window."""
END = (NEVER, (1 << 63) - 1)
"""Of each column that is searched, so that what comes after everything else is found too."""


def bits_of(walk: Walk) -> int:
    return walk.steps + len(walk.exclusions)


def in_columns(walk: Walk) -> bool:
    """Whether the ways of this funnel are found here."""
    return bits_of(walk) <= BITS_MOST and not (walk.order == "unordered" and walk.exclusions)


def ways(walk: Walk, histories: pa.ChunkedArray) -> Iterator[Times]:
    """The way of each person. A history is a sorted list: times, shifted left by the bits of what the event fits."""
    if walk.order == "unordered":
        yield from ways_in_any_order(walk, histories)
        return
    for block in blocks(histories):
        yield from _of_block(walk, block)


def _of_block(walk: Walk, histories: pa.ListArray) -> list[Times]:
    reached_by: list[Times] = [()] * len(histories)
    packed, who = histories.flatten(), pc.list_parent_indices(histories)
    if not len(packed):
        return reached_by
    bits = bits_of(walk)
    mask = (1 << bits) - 1
    times = pc.shift_right(packed, bits)
    first, last = (pc.min_max(times)[name].as_py() for name in ("min", "max"))
    shift = (2 * (last - first) + 2).bit_length()
    if len(reached_by) << shift > 1 << KEY_BITS and len(reached_by) > 1:
        half = len(reached_by) // 2
        return _of_block(walk, histories.slice(0, half)) + _of_block(walk, histories.slice(half))
    keys = pc.add(pc.shift_left(who.cast(pa.int64()), shift), pc.subtract(times, first))
    events = Events(walk, keys, pc.bit_wise_and(packed, mask), window=min(walk.window_us, last - first))
    attempts = ATTEMPTS[walk.order](events)
    if len(attempts.depth):
        best = _best(attempts, shift)
        columns = [pc.add(pc.bit_wise_and(column, (1 << shift) - 1), first).to_pylist() for column in best.times]
        people = pc.shift_right(best.times[0], shift).to_pylist()
        for person, depth, *reached in zip(people, best.depth.to_pylist(), *columns, strict=True):
            reached_by[person] = tuple(reached[:depth])
    for person in pc.unique(pc.filter(who, events.unclear())).to_pylist():
        reached_by[person] = walk.best([(one >> bits, one & mask) for one in histories[person].as_py()])
    return reached_by


@dataclass(frozen=True)
class Events:
    walk: Walk
    keys: pa.Array
    """In order."""
    codes: pa.Array
    """The bits of what each fits."""
    window: int
    """Not longer than all of the events take, so that it never reaches the next person."""

    def of(self, bit: int) -> pa.Array:
        fits = pc.not_equal(pc.bit_wise_and(self.codes, 1 << bit), 0)
        return pa.concat_arrays([pc.filter(self.keys, fits), pa.array(END)])

    def steps(self) -> pa.Array:
        return pc.bit_wise_and(self.codes, (1 << self.walk.steps) - 1)

    def next(self, bit: int, after: pa.Array, side: str) -> pa.Array:
        """The key of the next event that has the bit; `left`: one at that very instant too."""
        keys = self.of(bit)
        return keys.take(pc.search_sorted(keys, after, side=side))

    def inside(self, entries: pa.Array, times: pa.Array) -> pa.Array:
        """NEVER where the window of that entry is over."""
        return pc.if_else(pc.less_equal(pc.subtract(times, entries), self.window), times, NEVER)

    def unclear(self) -> pa.Array:
        """Which events leave their person to the walk."""
        steps = self.steps()
        several = pc.not_equal(pc.bit_wise_and(steps, pc.subtract(steps, 1)), 0)
        if self.walk.order != "strict" and not self.walk.exclusions:
            return several  # one step an event: those of one instant stand in the order of the steps
        alike = pc.invert(begins(self.keys))
        if self.walk.order != "strict":  # exclusions have the highest bits, so they stand last at their instant
            alike = pc.and_(alike, pc.greater(self.codes, (1 << self.walk.steps) - 1))
        return pc.or_(several, alike)


@dataclass(frozen=True)
class Attempts:
    """In the order of the events that began them."""

    times: Sequence[pa.Array]
    """For each step the keys at which it was reached, NEVER where it was not."""
    depth: pa.Array
    struck: pa.Array | None = None

    def only(self, which: pa.Array) -> Attempts:
        return Attempts([pc.filter(column, which) for column in self.times], pc.filter(self.depth, which))


def _ordered(events: Events) -> Attempts:
    entries = events.of(0)
    times = [entries.slice(0, len(entries) - len(END))]
    for step in range(1, events.walk.steps):
        times.append(events.inside(times[0], events.next(step, times[-1], "left")))
    return Attempts(times, _depth(times), _struck(events, times))


def _strict(events: Events) -> Attempts:
    count, steps = events.walk.steps, events.steps()
    entries = pc.indices_nonzero(pc.equal(steps, 1)).cast(pa.int64())
    keys = pa.concat_arrays([events.keys, pa.array([NEVER] * count)])
    steps = pa.concat_arrays([steps, pa.array([0] * count)])
    times = [keys.take(entries)]
    for step in range(1, count):
        places = pc.add(entries, step)
        onwards = pc.and_(pc.equal(steps.take(places), 1 << step), pc.less(times[-1], NEVER))
        times.append(events.inside(times[0], pc.if_else(onwards, keys.take(places), NEVER)))
    return Attempts(times, _depth(times), _struck(events, times))


ATTEMPTS = {"ordered": _ordered, "strict": _strict}


def _depth(times: Sequence[pa.Array]) -> pa.Array:
    reached = [pc.less(column, NEVER).cast(pa.int64()) for column in times]
    depth = reached[0]
    for column in reached[1:]:
        depth = pc.add(depth, column)
    return depth


def _struck(events: Events, times: Sequence[pa.Array]) -> pa.Array | None:
    """Which attempts an exclusion strikes; None where there are no exclusions."""
    struck = None
    for number, exclusion in enumerate(events.walk.exclusions):
        coming = events.next(events.walk.steps + number, times[exclusion.from_step], "right")
        in_time = pc.less_equal(pc.subtract(coming, times[0]), events.window)
        strikes = pc.and_(in_time, pc.less(coming, times[exclusion.to_step]))
        struck = strikes if struck is None else pc.or_(struck, strikes)
    return struck


def _best(attempts: Attempts, shift: int) -> Attempts:
    """Of each person the deepest attempts that are not struck, of those the one that got there first, of those the one that
    began last. Those stand together, since who begins later is never there earlier.
    """
    people = pc.shift_right(attempts.times[0], shift)
    person_begins = begins(people)
    so_far = pc.cumulative_max(pc.add(pc.shift_left(people, DEPTH_BITS), attempts.depth))
    deepest = pc.bit_wise_and(pc.filter(so_far, _ends(person_begins)), (1 << DEPTH_BITS) - 1)
    deepest = deepest.take(pc.subtract(pc.cumulative_sum(person_begins.cast(pa.int64())), 1))
    counts = pc.equal(attempts.depth, deepest)
    if attempts.struck is not None:
        counts = pc.and_not(counts, attempts.struck)
    best = attempts.only(counts)
    last = best.times[0]
    for column in best.times[1:]:
        last = pc.if_else(pc.less(column, NEVER), column, last)
    best = best.only(_ends(begins(last)))
    return best.only(begins(pc.shift_right(best.times[0], shift)))


def _ends(starts: pa.Array) -> pa.Array:
    """The last of each run that begins there."""
    return pa.concat_arrays([starts.slice(1), pa.array([True] * min(len(starts), 1), pa.bool_())])
