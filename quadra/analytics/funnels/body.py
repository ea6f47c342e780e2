"""What a request for a funnel says, checked field by field."""

from __future__ import annotations

from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.funnels.funnel import Funnel
from quadra.analytics.funnels.groups import Grouping
from quadra.analytics.funnels.walk import Exclusion, Walk
from quadra.analytics.questions.matching import Match, read_match
from quadra.analytics.questions.question import read_question
from quadra.core.given import Given
from quadra.core.names import snake_case

ORDERS = ("ordered", "strict", "unordered")
ATTRIBUTIONS = ("first_touch", "last_touch", "all_events", "step:<number>")
STEPS_MOST, EXCLUSIONS_MOST = 20, 20
WINDOW_SECONDS, WINDOW_SECONDS_MOST = 14 * 86_400, 3_660 * 86_400
LIMIT, LIMIT_MOST = 25, 200


def read(given: Given, project: Project) -> Funnel:
    order = given.choice("order", ORDERS, "ordered")
    steps = tuple(match for _item, match in _matches(given, "steps", STEPS_MOST))
    if not steps:
        given.wrong.setdefault("steps", f"a list of 1 to {STEPS_MOST} steps")
    exclusions, pairs = _exclusions(given, len(steps) - 1, order)
    breakdown = given.text("breakdown")
    grouping = _grouping(given, len(steps) - 1, order)  # read without a breakdown too: what is wrong is named
    funnel = Funnel(
        question=read_question(given, project),
        steps=steps,
        walk=Walk(len(steps), _window_us(given), order, pairs),
        exclusions=exclusions,
        breakdown=breakdown,
        grouping=grouping if breakdown is not None else None,
    )
    given.check()
    return funnel


def _matches(given: Given, name: str, most: int) -> list[tuple[Given, Match]]:
    """The objects of a list, each with an event and a filter."""
    items = given.raw(name)
    if items is None:
        return []
    if not isinstance(items, list) or len(items) > most or not all(isinstance(item, dict) for item in items):
        given.wrong[name] = f"a list of at most {most} objects"
        return []
    found = []
    for number, item in enumerate(items):
        inner = Given.of_body(item, given.filters)
        found.append((inner, Match(read_match(inner, "event", "where").event, inner.where())))
        given.wrong |= {f"{name}[{number}].{field}": text for field, text in inner.wrong.items()}
    return found


def _exclusions(given: Given, last: int, order: str) -> tuple[tuple[Match, ...], tuple[Exclusion, ...]]:
    matches, pairs = [], []
    for number, (item, match) in enumerate(_matches(given, "exclusions", EXCLUSIONS_MOST)):
        from_step, to_step = item.raw("from_step"), item.raw("to_step")
        place = f"exclusions[{number}]"
        if match.event is None:
            given.wrong[f"{place}.event"] = "the name of an event"
        if type(from_step) is not int or type(to_step) is not int or not 0 <= from_step < to_step <= last:
            given.wrong[f"{place}.from_step"] = f"from_step and to_step count from 0: from_step < to_step <= {last}"
            continue
        if order == "unordered" and (from_step, to_step) != (0, last):
            given.wrong[f"{place}.from_step"] = f"in an unordered funnel from 0 to {last}"
        matches.append(match)
        pairs.append(Exclusion(from_step, to_step))
    return tuple(matches), tuple(pairs)


def _window_us(given: Given) -> int:
    """Zero, negative or absent falls back to the default."""
    seconds: Any = given.raw("window_seconds")
    if isinstance(seconds, str):
        try:
            seconds = float(seconds)
        except ValueError:
            seconds = False
    if seconds is None:
        return WINDOW_SECONDS * 1_000_000
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds <= WINDOW_SECONDS_MOST:
        given.wrong["window_seconds"] = f"a number of seconds up to {WINDOW_SECONDS_MOST}"
        return 0
    return round(seconds * 1_000_000) if seconds > 0 else WINDOW_SECONDS * 1_000_000


def _grouping(given: Given, last: int, order: str) -> Grouping:
    attribution, colon, step = snake_case(given.text("breakdown_attribution") or "first_touch").partition(":")
    number = 0
    if attribution == "step" and colon:
        if step.isascii() and step.isdigit() and len(step) < 4 and int(step) <= last:
            number = int(step)
        else:
            given.wrong["breakdown_attribution"] = f"step:0 to step:{last}"
        if order == "unordered" and number:
            given.wrong["breakdown_attribution"] = "of an unordered funnel only step:0"
    elif colon or attribution not in ATTRIBUTIONS[:3]:
        given.wrong["breakdown_attribution"] = "one of " + ", ".join(ATTRIBUTIONS)
    return Grouping(attribution, number, given.number("breakdown_limit", LIMIT, 1, LIMIT_MOST))
