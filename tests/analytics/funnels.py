"""Funnels by brute force: every choice of events is tried. What the walk must agree with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from tests.analytics.reference import Event, People, Span, Wanted, by_person


@dataclass(frozen=True)
class Plan:
    steps: tuple[Wanted, ...]
    window: int
    order: str = "ordered"
    exclusions: tuple[tuple[Wanted, int, int], ...] = ()


def chains(events: Sequence[Event], plan: Plan, chosen: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All ways to go on from the chosen events, the way itself included."""
    yield chosen
    if len(chosen) == len(plan.steps):
        return
    last, entry = events[chosen[-1]].us, events[chosen[0]].us
    for number, event in enumerate(events):
        if number in chosen or event.us < last or event.us - entry > plan.window:
            continue
        if not plan.steps[len(chosen)].fits(event):
            continue
        if plan.order == "strict" and any(last < other.us < event.us for other in events):
            continue
        yield from chains(events, plan, (*chosen, number))


def walked(events: Sequence[Event], plan: Plan) -> tuple[int, ...]:
    """The times of the attempt that counts."""
    if plan.order == "unordered":
        return unordered(events, plan)
    attempts = []
    for number, event in enumerate(events):
        if plan.steps[0].fits(event):
            times = [tuple(events[at].us for at in chain) for chain in chains(events, plan, (number,))]
            attempts.append(min(times, key=lambda one: (-len(one), one)))
    if not attempts:
        return ()
    depth = max(map(len, attempts))
    clean = [times for times in attempts if len(times) == depth and not struck(events, plan, times)]
    return min(clean, key=lambda times: (times[-1], -times[0])) if clean else ()


def alone(events: Sequence[Event], plan: Plan, event: Event) -> bool:
    """Not at the instant of another event of the funnel."""
    return not any(
        other is not event and other.us == event.us and any(step.fits(other) for step in plan.steps) for other in events
    )


def struck(events: Sequence[Event], plan: Plan, times: tuple[int, ...]) -> bool:
    for wanted, start, end in plan.exclusions:
        for event in events:
            if not wanted.fits(event) or not alone(events, plan, event) or len(times) <= start:
                continue
            before_end = event.us < times[end] if len(times) > end else True
            if event.us > times[start] and before_end and event.us <= times[0] + plan.window:
                return True
    return False


def most(events: Sequence[Event], plan: Plan) -> int:
    """The most steps that different events can do."""
    for size in range(min(len(events), len(plan.steps)), 0, -1):
        for steps in combinations(plan.steps, size):
            for chosen in permutations(events, size):
                if all(step.fits(event) for step, event in zip(steps, chosen, strict=True)):
                    return size
    return 0


def unordered(events: Sequence[Event], plan: Plan) -> tuple[int, ...]:
    cuts = sorted(
        {
            event.us
            for wanted, _, _ in plan.exclusions
            for event in events
            if wanted.fits(event) and alone(events, plan, event)
        }
    )
    best: tuple[int, ...] = ()
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        part = [event for event in events if (low is None or event.us >= low) and (high is None or event.us < high)]
        useful = [event for event in part if any(step.fits(event) for step in plan.steps)]
        best = ()
        for entry in sorted({event.us for event in useful}):
            window = [event for event in useful if entry <= event.us <= entry + plan.window]
            times: list[int] = []
            for at in sorted({event.us for event in window}):
                depth = most([event for event in window if event.us <= at], plan)
                times += [at] * (depth - len(times))
            if len(times) > len(best):
                best = tuple(times)
        if len(best) == len(plan.steps):
            return best
    return best


def inside(events: Sequence[Event], span: Span) -> list[Event]:
    return [event for event in events if span.holds(event)]


def ways(events: Sequence[Event], people: People, span: Span, plan: Plan) -> list[tuple[int, ...]]:
    found = (walked(theirs, plan) for theirs in by_person(inside(events, span), people).values())
    return [times for times in found if times]


def groups(
    events: Sequence[Event], people: People, span: Span, plan: Plan, prop: str, attribution: str
) -> dict[str, list[tuple[int, ...]]]:
    found: dict[str, list[tuple[int, ...]]] = {}
    for theirs in by_person(inside(events, span), people).values():
        touching = [event for event in theirs if any(step.fits(event) for step in plan.steps)]
        if attribution in ("first_touch", "last_touch"):
            having = [event.text(prop) or "" for event in touching if event.text(prop)]
            label = (having[0] if attribution == "first_touch" else having[-1]) if having else ""
            views = {label: walked(theirs, plan)}
        elif attribution == "all_events":
            views = {
                label: walked([event for event in theirs if (event.text(prop) or "") == label], plan)
                for label in {event.text(prop) or "" for event in touching}
            }
        else:
            number = int(attribution.removeprefix("step:"))
            step = plan.steps[number]
            views = {}
            for label in {event.text(prop) or "" for event in theirs if step.fits(event)} or {""}:
                narrowed = Wanted(step.name, (*step.where, (prop, label)))
                steps = (*plan.steps[:number], narrowed, *plan.steps[number + 1 :])
                narrow = Plan(steps, plan.window, plan.order, plan.exclusions)
                views[label] = walked(theirs, narrow)
        for label, times in views.items():
            if times:
                found.setdefault(label, []).append(times)
    return found
