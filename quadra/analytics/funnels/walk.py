"""How far one person got through a funnel, and when: pure, over that person's events in order of time.

Events of one instant may convert in any order, so a history is a list of instants; at each the longest run of steps that
its events can fill, one step an event, is taken. Taking what comes first never costs a later step, but in strict funnels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

Coded = tuple[int, int]
"""An event: its time in microseconds, and the bits of the steps and (above those) of the exclusions that it fits."""
Times = tuple[int, ...]
"""When each reached step was reached."""
Instant = tuple[int, list[int]]
"""A time, and the step bits of its events."""


@dataclass(frozen=True)
class Exclusion:
    from_step: int
    to_step: int


@dataclass(frozen=True)
class Walk:
    steps: int
    window_us: int
    order: str = "ordered"
    exclusions: tuple[Exclusion, ...] = ()

    def best(self, events: Sequence[Coded]) -> Times:
        """The times of the attempt that counts; empty for somebody who is not in the funnel."""
        instants, struck = self._instants(events)
        if self.order == "unordered":
            return self._unordered(instants, struck)
        return self._attempts(instants, struck)

    def _instants(self, events: Sequence[Coded]) -> tuple[list[Instant], list[list[int]]]:
        """The instants in order, and for each exclusion the times at which it happened alone."""
        instants: list[Instant] = []
        struck: list[list[int]] = [[] for _ in self.exclusions]
        of_steps = (1 << self.steps) - 1
        for at, group in groupby(events, key=lambda event: event[0]):
            codes = [code for _at, code in group]
            masks = [code & of_steps for code in codes]
            for number, times in enumerate(struck):
                bit = 1 << self.steps + number
                for place, code in enumerate(codes):
                    if code & bit and not any(masks[:place]) and not any(masks[place + 1 :]):
                        times.append(at)
                        break
            if self.order == "strict" or any(masks):
                instants.append((at, masks))
        return instants, struck

    def _attempts(self, instants: Sequence[Instant], struck: Sequence[Sequence[int]]) -> Times:
        """The deepest attempt; of those the one that got there first; of those the one that began last."""
        places: list[list[int]] = [[] for _ in range(self.steps)]
        for place, (_at, masks) in enumerate(instants):
            union = 0
            for mask in masks:
                union |= mask
            for step in range(self.steps):
                if union >> step & 1:
                    places[step].append(place)
        best: Times = ()
        deepest = 0
        for start in places[0]:
            if len(best) == self.steps and instants[start][0] > best[-1]:
                break
            walked = self._strict if self.order == "strict" else self._ordered
            times = walked(instants, places, start)
            deepest = max(deepest, len(times))
            if any(map(self._strikes, self.exclusions, struck, [times] * len(struck))):
                continue
            if len(times) > len(best) or (len(times) == len(best) and times[-1] <= best[-1]):
                best = times
        return best if len(best) == deepest else ()

    def _ordered(self, instants: Sequence[Instant], places: Sequence[Sequence[int]], start: int) -> Times:
        entry = instants[start][0]
        times: list[int] = []
        at = start
        while True:
            times += [instants[at][0]] * run(instants[at][1], len(times), self.steps)
            if len(times) == self.steps:
                return tuple(times)
            coming = places[len(times)]
            next_ = bisect_right(coming, at)
            if next_ == len(coming) or instants[coming[next_]][0] - entry > self.window_us:
                return tuple(times)
            at = coming[next_]

    def _strict(self, instants: Sequence[Instant], _places: object, start: int) -> Times:
        """Neighbouring instants only. To take fewer steps at one may lead further, so each number is tried."""
        latest = instants[start][0] + self.window_us

        @cache
        def onwards(at: int, taken: int) -> Times:
            if at == len(instants) or instants[at][0] > latest:
                return ()
            found: Times = ()
            for more in range(run(instants[at][1], taken, self.steps), 0, -1):
                found = max(found, (instants[at][0],) * more + onwards(at + 1, taken + more), key=len)
            return found

        return onwards(start, 0)

    def _strikes(self, exclusion: Exclusion, struck: Sequence[int], times: Times) -> bool:
        if len(times) <= exclusion.from_step:
            return False
        after = bisect_right(struck, times[exclusion.from_step])
        if after == len(struck) or struck[after] - times[0] > self.window_us:
            return False
        return len(times) <= exclusion.to_step or struck[after] < times[exclusion.to_step]

    def _unordered(self, instants: Sequence[Instant], struck: Sequence[Sequence[int]]) -> Times:
        """An exclusion wipes everything that is not complete: the stretch after the last one counts."""
        cuts = sorted({at for times in struck for at in times})
        best: Times = ()
        starts = [bisect_left(instants, cut, key=lambda instant: instant[0]) for cut in cuts]
        for begin, end in zip([0, *starts], [*starts, len(instants)], strict=True):
            best = self._stretch(instants[begin:end])
            if len(best) == self.steps:
                return best
        return best

    def _stretch(self, instants: Sequence[Instant]) -> Times:
        """The first window that holds the most different steps."""
        alike: dict[int, list[int]] = {}
        for at, masks in instants:
            for mask in masks:
                if mask:
                    alike.setdefault(mask, []).append(at)
        best: Times = ()
        for entry, _masks in instants:
            coming: list[tuple[int, int]] = []
            for mask, times in alike.items():  # more events of one sort than there are steps cannot matter
                first = bisect_left(times, entry)
                coming += [(at, mask) for at in times[first : first + self.steps] if at - entry <= self.window_us]
            found = _filled(sorted(coming), self.steps)
            if len(found) > len(best):
                best = found
            if len(best) == self.steps:
                break
        return best


def run(masks: Sequence[int], first: int, steps: int) -> int:
    """How many steps from `first` on the events of one instant fill, one step an event."""
    if len(masks) == 1:
        return masks[0] >> first & 1
    owners: dict[int, int] = {}
    wanted = [[event for event, mask in enumerate(masks) if mask >> step & 1] for step in range(first, steps)]
    for step in range(len(wanted)):
        if not _place(step, wanted, owners, set()):
            return step
    return len(wanted)


def _filled(events: Sequence[tuple[int, int]], steps: int) -> Times:
    """The times at which one more step was done, in any order, one step an event."""
    owners: dict[int, int] = {}
    wanted = [[step for step in range(steps) if mask >> step & 1] for _at, mask in events]
    times = []
    for event, (at, _mask) in enumerate(events):
        if _place(event, wanted, owners, set()):
            times.append(at)
            if len(times) == steps:
                break
    return tuple(times)


def _place(one: int, wanted: Sequence[Sequence[int]], owners: dict[int, int], tried: set[int]) -> bool:
    """Give `one` something that it wants, moving others to something else that they want (an augmenting path)."""
    for thing in wanted[one]:
        if thing not in tried:
            tried.add(thing)
            if thing not in owners or _place(owners[thing], wanted, owners, tried):
                owners[thing] = one
                return True
    return False
