"""The usual funnel, walked quickly: no exclusions, every event fits one step at most. It gives what `funnel_walk` gives.

A history is one list of integers in order, each a time shifted left by the bits that say which step the event fits. Each
function goes through it once, stops as soon as all steps were reached, and returns None where an event fits several steps
or (strict) shares its instant with another: then the walk decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quadra.analytics.funnel_walk import Times, Walk

TIME_BITS = 53
"""Of a time in microseconds, until the year 2255."""
BITS_MOST = 63 - TIME_BITS

Quick = Callable[[Sequence[int], int, int], Times | None]
"""(the history from, to which place)"""


def quick_walk(walk: Walk) -> Quick | None:
    """The quick way for this funnel; None where there is none."""
    if walk.exclusions or walk.steps > BITS_MOST:
        return None
    return {"ordered": _ordered, "strict": _strict, "unordered": _unordered}[walk.order](walk)


def _steps_of(steps: int) -> list[int]:
    """Bits -> the step, `steps` for no step, -1 for several."""
    found = [-1] * (1 << steps)
    found[0] = steps
    for step in range(steps):
        found[1 << step] = step
    return found


def _ordered(walk: Walk) -> Quick:
    """`entries[k]` is the latest entry from which step k was reached so far: whoever began last has the most time left."""
    steps, window_us, shift, mask, step_of = (
        walk.steps,
        walk.window_us,
        walk.steps,
        (1 << walk.steps) - 1,
        _steps_of(walk.steps),
    )
    never = -(1 << 62)

    def best(history: Sequence[int], start: int, end: int) -> Times | None:
        entries = [never] * (steps + 1)
        depth, entry, last = 0, never, start
        for place in range(start, end):
            packed = history[place]
            step = step_of[packed & mask]
            if step <= 0:
                if step < 0:
                    return None
                entries[0] = packed >> shift
                if not depth:
                    depth, entry, last = 1, entries[0], place
                continue
            before = entries[step - 1]
            if (packed >> shift) - before <= window_us:
                entries[step] = before
                if step >= depth:
                    depth, entry, last = step + 1, before, place
                    if depth == steps:
                        break
        if depth == steps and _goes_on(history, shift, last, end):
            return None
        return _greedy(history, start, last, entry, depth) if depth else ()

    def _greedy(history: Sequence[int], start: int, last: int, entry: int, depth: int) -> Times:
        times: list[int] = []
        for place in range(start, last + 1):
            packed = history[place]
            if packed & mask == 1 << len(times) and packed >> shift >= entry:
                times.append(packed >> shift)
                if len(times) == depth:
                    break
        return tuple(times)

    return best


def _strict(walk: Walk) -> Quick:
    steps, window_us, shift, mask, step_of = (
        walk.steps,
        walk.window_us,
        walk.steps,
        (1 << walk.steps) - 1,
        _steps_of(walk.steps),
    )

    def best(history: Sequence[int], start: int, end: int) -> Times | None:
        found: Times = ()
        reached, entry, before = 0, 0, -1
        times: list[int] = []
        for place in range(start, end):
            packed = history[place]
            at = packed >> shift
            if at == before:
                return None
            before = at
            step = step_of[packed & mask]
            if step < 0:
                return None
            if reached and step == reached and at - entry <= window_us:
                times.append(at)
                reached += 1
            elif step == 0:
                reached, entry, times = 1, at, [at]
            else:
                reached = 0
                continue
            if reached > len(found):
                found = tuple(times)
                if reached == steps:
                    return None if _goes_on(history, shift, place, end) else found
        return found

    return best


def _unordered(walk: Walk) -> Quick:
    """A window slides over the history: how many different steps are in it."""
    steps, window_us, shift, mask, step_of = (
        walk.steps,
        walk.window_us,
        walk.steps,
        (1 << walk.steps) - 1,
        _steps_of(walk.steps),
    )

    def best(history: Sequence[int], start: int, end: int) -> Times | None:
        held = [0] * steps
        depth, begin, different, right = 0, start, 0, start
        for left in range(start, end):
            limit = (history[left] >> shift) + window_us
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

    return best


def _goes_on(history: Sequence[int], shift: int, place: int, end: int) -> bool:
    """Whether another event happened at the instant of that one, behind it: one that fits several steps might matter."""
    return place + 1 < end and history[place + 1] >> shift == history[place] >> shift
