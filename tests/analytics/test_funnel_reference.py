"""Funnels on random histories against brute force: every order, windows, exclusions, breakdowns."""

from __future__ import annotations

from statistics import fmean, median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.funnels import body as funnel_body
from quadra.analytics.funnels.walk import Walk
from quadra.core import clock
from quadra.core.api.raw_params import RawParams
from tests.analytics import funnels
from tests.analytics.conftest import Place
from tests.analytics.funnels import Plan
from tests.analytics.histories import HOUR, History, histories
from tests.analytics.reference import Span, Wanted

SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
STEP = st.builds(
    lambda name, plan: Wanted(name, (("plan", plan),) if plan else ()),
    st.sampled_from(["a", "a", "b", "c", None]),
    st.sampled_from([None, None, None, "x"]),
)


@st.composite
def plans(draw: st.DrawFn, order: str) -> Plan:
    steps = tuple(draw(st.lists(STEP, min_size=1, max_size=3)))
    exclusions = []
    for name in draw(st.sampled_from([[], [], ["c"], ["b", "c"]])) if len(steps) > 1 else []:
        start = 0 if order == "unordered" else draw(st.integers(0, len(steps) - 2))
        end = len(steps) - 1 if order == "unordered" else draw(st.integers(start + 1, len(steps) - 1))
        exclusions.append((Wanted(name), start, end))
    return Plan(steps, draw(st.sampled_from([HOUR, 3 * HOUR, 20 * HOUR])), order, tuple(exclusions))


def body_of(plan: Plan, span: Span) -> dict[str, Any]:
    return {
        "from": clock.iso(clock.from_us(span.start)),
        "to": clock.iso(clock.from_us(span.end)),
        "order": plan.order,
        "window_seconds": plan.window // 1_000_000,
        "steps": [{"event": step.name, "where": dict(step.where)} for step in plan.steps],
        "exclusions": [
            {"event": wanted.name, "from_step": start, "to_step": end} for wanted, start, end in plan.exclusions
        ],
    }


def shown(plan: Plan, ways: list[tuple[int, ...]]) -> list[Any]:
    found: list[Any] = []
    for step in range(len(plan.steps)):
        gaps = [(times[step] - times[step - 1]) / 1e6 for times in ways if len(times) > step] if step else []
        reached = sum(1 for times in ways if len(times) > step)
        found.append((reached, pytest.approx(fmean(gaps)) if gaps else None, median(gaps) if gaps else None))
    return found


def seen(steps: list[Any]) -> list[Any]:
    return [(step["count"], step["average_seconds"], step["median_seconds"]) for step in steps]


SHORT = histories(days=1, most=12)
ATTRIBUTIONS = ("first_touch", "last_touch", "all_events", "step:0")


@pytest.mark.parametrize("order", funnel_body.ORDERS)
def test_funnels_agree_with_the_reference(place: Place, order: str) -> None:
    @SOME
    @given(history=SHORT, plan=plans(order), attribution=st.sampled_from(ATTRIBUTIONS), hours=st.integers(-12, 0))
    def check(history: History, plan: Plan, attribution: str, hours: int) -> None:
        # the links lie long before, so the range decides what happens
        span = Span(history.middle + hours * HOUR, history.end, "day", history.zone)
        project = place.tell(history.events, history.zone)
        body = {**body_of(plan, span), "breakdown": "plan", "breakdown_attribution": attribution}
        answer = place.answer(funnel_body.LENS, RawParams.of_body(body), project)
        events, people = history.events, history.people
        assert seen(answer["steps"]) == shown(plan, funnels.ways(events, people, span, plan))
        expected = funnels.groups(events, people, span, plan, "plan", attribution)
        if attribution not in ("first_touch", "last_touch") or len(
            {(people.get(e.id or ""), e.us) for e in events}
        ) == len(events):
            assert {label: seen(steps) for label, steps in answer["breakdown"].items()} == {
                label: shown(plan, ways) for label, ways in expected.items()
            }

    check()


@settings(max_examples=300, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 7)), max_size=9).map(sorted),
    window=st.integers(1, 12),
)
def test_rule_14_taking_what_comes_first_reaches_as_far_as_any_choice(
    events: list[tuple[int, int]], window: int
) -> None:
    def deepest(step: int, begun: int, last: int, used: frozenset[int]) -> int:
        reached = [step]
        for number, (at, code) in enumerate(events):
            fits = step < 3 and code >> step & 1 and number not in used
            if fits and at >= last and (step == 0 or at - begun <= window):
                reached.append(deepest(step + 1, at if step == 0 else begun, at, used | {number}))
        return max(reached)

    assert len(Walk(3, window).best(events)) == deepest(0, 0, 0, frozenset())
