"""The way of one person through a funnel whose steps may come in any order: a window slides over the history.

It stops as soon as all steps are in it, which columns cannot: so each history is gone through by itself. An event that fits
several steps leaves its person to the walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyarrow as pa

from quadra.analytics.funnels.walk import Times, Walk


def ways_in_any_order(walk: Walk, histories: pa.ChunkedArray) -> Iterator[Times]:
    """The way of each person; histories are those of `funnel_columns`."""
    mask = (1 << walk.steps) - 1
    step_of = [-1] * (1 << walk.steps)
    for step in range(walk.steps):
        step_of[1 << step] = step
    for chunk in histories.chunks:
        places, packed = chunk.offsets.to_pylist(), memoryview(chunk.values.buffers()[1] or b"").cast("q")
        at = chunk.values.offset
        for start, end in pairwise(places):
            times = _way(walk, step_of, packed, at + start, at + end)
            if times is None:
                times = walk.best([(one >> walk.steps, one & mask) for one in packed[at + start : at + end]])
            yield times


def _way(walk: Walk, step_of: Sequence[int], history: Sequence[int], start: int, end: int) -> Times | None:
    """None where an event fits several steps. `history` is one person's from `start` to `end`."""
    steps, shift, mask = walk.steps, walk.steps, (1 << walk.steps) - 1
    held = [0] * steps
    depth, begin, different, right = 0, start, 0, start
    for left in range(start, end):
        limit = (history[left] >> shift) + walk.window_us
        while right < end and history[right] >> shift <= limit:
            step = step_of[history[right] & mask]
            if step < 0:
                return None
            different += not held[step]
            held[step] += 1
            right += 1
            if different == steps:
                break
        if different > depth:
            depth, begin = different, left
            if depth == steps:
                break
        step = step_of[history[left] & mask]
        held[step] -= 1
        different -= not held[step]
    times: dict[int, int] = {}
    for place in range(begin, end):
        times.setdefault(history[place] & mask, history[place] >> shift)
        if len(times) == depth:
            break
    return tuple(times.values())
