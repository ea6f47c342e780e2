"""Funnels: each rule by its number."""

from __future__ import annotations

from typing import Any

import pytest

from quadra.analytics.funnels import body as funnel_body
from quadra.analytics.funnels import funnel
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid
from tests.analytics.conftest import Place
from tests.analytics.reference import Event, ev

SECOND = 1_000_000
START = ev("u", "2026-03-02 10:00").us
ABC = [{"event": name} for name in "abc"]
AB = ABC[:2]


def told(history: str, who: str = "u", **props: Any) -> list[Event]:
    """`a0 b5 c6:x`: names and seconds, and the value of `p` behind a colon."""
    found = []
    for part in history.split():
        word, _, value = part.partition(":")
        found.append(Event(who, START + int(word[1:]) * SECOND, word[0], {**props, **({"p": value} if value else {})}))
    return found


def ask(place: Place, events: list[Event] | list[list[Event]], **body: Any) -> Any:
    flat = [event for part in events for event in (part if isinstance(part, list) else [part])]
    body = {"from": "2026-03-02", "to": "2026-03-20", "steps": ABC, **body}
    return place.answer(funnel_body.LENS, RawParams.of_body(body), place.tell(flat))


def counts(answer: Any) -> list[int]:
    return [step["count"] for step in answer["steps"]]


def of(place: Place, history: str, **body: Any) -> list[int]:
    return counts(ask(place, told(history), **body))


def seconds(place: Place, history: str, **body: Any) -> list[float | None]:
    return [step["average_seconds"] for step in ask(place, told(history), **body)["steps"]]


def excluding(start: int, end: int, name: str = "x") -> dict[str, Any]:
    return {"exclusions": [{"event": name, "from_step": start, "to_step": end}]}


def test_rules_1_2_and_3_hold_for_funnels_too(place: Place) -> None:
    late = ev("u", "2026-03-21", "c")
    assert counts(ask(place, [*told("a0 b1"), late])) == [1, 1, 0]
    linked = Event("u", START, "linked", {}, anonymous_id="v")
    assert counts(ask(place, [linked, told("a0", "v"), told("b1 c2")])) == [1, 1, 1]
    assert of(place, "a0:x b1:x c2:y", where={"p": "x"}) == [1, 1, 0]


def test_rule_4_a_step_without_a_name_is_any_event_and_may_have_a_filter(place: Place) -> None:
    assert of(place, "a0 z1 c2", steps=[ABC[0], {}, ABC[2]]) == [1, 1, 1]
    assert of(place, "a0 z1:y c2", steps=[ABC[0], {"where": {"p": "x"}}, ABC[2]]) == [1, 0, 0]


def test_rules_5_and_6_the_best_attempt_counts_once(place: Place) -> None:
    found = ask(place, [told("a0 b1 a100 b101 c102 a200"), told("a0 a9", "v")], window_seconds=10)
    assert counts(found) == [2, 1, 1]
    assert [step["conversion_rate"] for step in found["steps"]] == [100, 50, 50]
    assert [step["step_conversion_rate"] for step in found["steps"]] == [100, 50, 100]


def test_the_people_of_a_step_are_named(place: Place) -> None:
    everybody = [told("a0 b1 c2", "u"), told("a0 b1", "v"), told("a0", "w"), told("b0 c1", "x")]

    def who(step: int, **more: Any) -> Any:
        return ask(place, everybody, people_of=step, **more)["people"]

    assert [who(0), who(1), who(2)] == [["u", "v", "w"], ["u", "v"], ["u"]]
    assert [who(0, people_stopped=True), who(1, people_stopped=True, order="strict")] == [["w"], ["v"]]
    assert who(2, breakdown="p") == ["u"]


def test_rule_7_the_window_runs_from_the_entry_and_its_bound_is_inside(place: Place) -> None:
    assert of(place, "a0 b6 c10", window_seconds=10) == [1, 1, 1]
    assert of(place, "a0 b6 c11", window_seconds=10) == [1, 1, 0]


@pytest.mark.parametrize("window", [None, 0, -5])
def test_rule_8_the_window_is_14_days_by_default(place: Place, window: int | None) -> None:
    assert of(place, f"a0 b{14 * 86400}", steps=AB, window_seconds=window) == [1, 1]
    assert of(place, f"a0 b{14 * 86400 + 1}", steps=AB, window_seconds=window) == [1, 0]


def test_rule_9_others_between_do_not_matter_and_early_ones_do_not_count(place: Place) -> None:
    assert of(place, "b0 a1 z2 b3 z4 c5") == [1, 1, 1]
    assert of(place, "c0 b1 a2") == [1, 0, 0]


def test_rule_10_one_event_fills_one_step(place: Place) -> None:
    assert of(place, "a0", steps=[ABC[0], ABC[0]]) == [1, 0]
    assert of(place, "a0 a1", steps=[ABC[0], ABC[0]]) == [1, 1]
    assert of(place, "a0 z1", steps=[{}, {}, {}]) == [1, 1, 0]


def test_rule_11_a_wider_second_step_needs_another_event(place: Place) -> None:
    steps = [{"event": "a", "where": {"p": "x"}}, {"event": "a"}]
    assert of(place, "a0:x", steps=steps) == [1, 0]
    assert of(place, "a0:x a1:y", steps=steps) == [1, 1]


def test_rules_12_and_13_at_one_instant_any_order_converts_and_copies_are_events(place: Place) -> None:
    assert of(place, "c0 b0 a0") == [1, 1, 1]
    assert of(place, "a0 a0 a0 b1") == [1, 1, 0]
    assert of(place, "a0 a0", steps=[ABC[0], ABC[0], ABC[0]]) == [1, 1, 0]
    assert of(place, "a0 b0 z0", steps=[ABC[0], {}, ABC[1]]) == [1, 1, 1]


def test_rules_15_and_16_times_are_gaps_of_those_who_got_there(place: Place) -> None:
    people = [told("a0 b10 c40"), told("a0 b30", "v"), told("a0", "w")]
    steps = ask(place, people)["steps"]
    assert [step["average_seconds"] for step in steps] == [None, 20, 30]
    assert [step["median_seconds"] for step in steps] == [None, 20, 30]


def test_rule_17_the_attempt_that_gets_there_first_gives_the_times(place: Place) -> None:
    assert seconds(place, "a0 b1 a100 b110 c115 a200 b201 c202", window_seconds=50) == [None, 10, 5]


def test_rule_18_of_several_entries_the_latest_counts(place: Place) -> None:
    assert seconds(place, "a0 a5 b6", steps=AB) == [None, 1]


def test_rule_19_after_the_last_step_nothing_changes(place: Place) -> None:
    assert of(place, "a0 b1 c2 a3 x4", **excluding(0, 1)) == [1, 1, 1]


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (0, 3), (-1, 1), (0, None), ("x", 1), (False, True)])
def test_rule_20_a_wrong_pair_of_steps_is_refused(place: Place, start: Any, end: Any) -> None:
    with pytest.raises(Invalid) as error:
        of(place, "a0", **excluding(start, end))
    assert {field.partition(".")[0] for field in error.value.fields} == {"exclusions[0]"}


def test_rules_20_and_21_an_exclusion_strikes_between_its_steps(place: Place) -> None:
    assert of(place, "a0 x1 b2 c3", **excluding(0, 1)) == [0, 0, 0]
    assert of(place, "a0 b2 x3 c4", **excluding(0, 1)) == [1, 1, 1]
    assert of(place, "a0 b2 x3 c4", **excluding(0, 2)) == [0, 0, 0]
    assert of(place, "a0 b2 x3", **excluding(1, 2)) == [0, 0, 0]  # never got to the end: up to the window's
    both = excluding(0, 1)["exclusions"] + excluding(1, 2, "y")["exclusions"]
    assert of(place, "a0 b2 y3 c4", exclusions=both) == [0, 0, 0]
    filtered = [{"event": "x", "from_step": 0, "to_step": 1, "where": {"p": "bad"}}]
    assert of(place, "a0 x1:fine b2 c3", exclusions=filtered) == [1, 1, 1]


def test_rule_22_an_exclusion_at_the_instant_of_other_steps_is_ignored(place: Place) -> None:
    assert of(place, "a0 x0 b2 x2 c3", **excluding(0, 1)) == [1, 1, 1]


def test_rule_23_a_struck_person_counts_at_the_same_depth_or_nowhere(place: Place) -> None:
    assert of(place, "a0 x1 b2 a10 b11", steps=AB, **excluding(0, 1)) == [1, 1]
    assert of(place, "a0 x1 b2 a100", steps=AB, window_seconds=10, **excluding(0, 1)) == [0, 0]


def test_rule_24_an_exclusion_elsewhere_changes_nothing(place: Place) -> None:
    assert of(place, "x0 a1 b2 c3", **excluding(0, 1)) == [1, 1, 1]
    assert of(place, "a0 x20", window_seconds=10, **excluding(0, 1)) == [1, 0, 0]
    assert of(place, "a0 x1 a2 b3 c4", **excluding(0, 1)) == [1, 1, 1]


def test_rules_25_and_26_strict_steps_are_neighbours_and_a_repeated_entry_begins_anew(place: Place) -> None:
    assert of(place, "z0 a1 b2 c3 z4", order="strict") == [1, 1, 1]
    assert of(place, "a0 z1 b2 c3", order="strict") == [1, 0, 0]
    assert of(place, "a0 a1 b2 z3 c4", order="strict") == [1, 1, 0]


def test_rule_27_strictness_does_not_look_inside_an_instant(place: Place) -> None:
    assert of(place, "a0 z1 b1 c2", order="strict") == [1, 1, 1]
    assert of(place, "a0 b10 c20", order="strict", window_seconds=15) == [1, 1, 0]
    assert of(place, "a0 b0 b1 c2", order="strict") == [1, 1, 1]


def test_rule_28_a_repeated_step_breaks_a_strict_attempt_as_any_other_event(place: Place) -> None:
    assert of(place, "a0 b1 b2 c3", order="strict") == [1, 1, 0]


def test_rule_29_unordered_counts_the_most_steps_in_one_window(place: Place) -> None:
    assert of(place, "c0 a1 b2", order="unordered") == [1, 1, 1]
    assert of(place, "b0 c1", order="unordered") == [1, 1, 0]
    assert of(place, "a0 b6 c12", order="unordered", window_seconds=10) == [1, 1, 0]


def test_rule_30_unordered_steps_need_an_event_each(place: Place) -> None:
    steps = [{"event": "a", "where": {"p": "x"}}, {"event": "a"}]
    assert of(place, "a0:x", steps=steps, order="unordered") == [1, 0]
    assert of(place, "a0:x a1:x", steps=steps, order="unordered") == [1, 1]


def test_rule_31_unordered_times_are_those_of_the_first_window(place: Place) -> None:
    assert seconds(place, "c0 a1 b3 a100 b200 c300", order="unordered") == [None, 1, 2]


def test_rule_32_unordered_exclusions_span_everything_and_wipe_what_was_done(place: Place) -> None:
    with pytest.raises(Invalid):
        of(place, "a0", order="unordered", **excluding(0, 1))
    assert of(place, "a0 b1 x2 c3", order="unordered", **excluding(0, 2)) == [1, 0, 0]
    assert of(place, "a0 b1 x2", order="unordered", **excluding(0, 2)) == [0, 0, 0]
    assert of(place, "a0 b1 c2 x3 a4", order="unordered", **excluding(0, 2)) == [1, 1, 1]


def broken(place: Place, history: str, **body: Any) -> dict[str, list[int]]:
    answer = ask(place, told(history), breakdown="p", **body)
    return {label: [step["count"] for step in steps] for label, steps in answer["breakdown"].items()}


def test_rule_33_first_and_last_touch(place: Place) -> None:
    assert broken(place, "z0:no a1 b2:x c3:y") == {"x": [1, 1, 1]}
    assert broken(place, "a1 b2:x c3:y", breakdown_attribution="last_touch") == {"y": [1, 1, 1]}


def test_rule_34_no_value_is_a_group_without_a_name(place: Place) -> None:
    assert broken(place, "a0 b1") == {"": [1, 1, 0]}
    numbers = ask(place, told("a0", p=0), breakdown="p")["breakdown"]
    assert list(numbers) == ["0"]


def test_rule_35_all_events_are_evaluated_by_value(place: Place) -> None:
    every = {"breakdown_attribution": "all_events"}
    assert broken(place, "a0:x b1:y a2:y b3:x c4:x", **every) == {"x": [1, 1, 1], "y": [1, 0, 0]}
    assert broken(place, "a0:x b1:y", **every) == {"x": [1, 0, 0]}
    assert broken(place, "a0:x z1:x b2:x", order="strict", **every) == {"x": [1, 0, 0]}
    assert broken(place, "a0:x z1:y b2:x", order="strict", **every) == {"x": [1, 1, 0]}


def test_rule_36_a_step_decides(place: Place) -> None:
    step = {"breakdown_attribution": "step:1"}
    assert broken(place, "a0:q b1:x c2:q b3:y", **step) == {"x": [1, 1, 1], "y": [1, 1, 0]}
    assert broken(place, "a0:q", **step) == {"": [1, 0, 0]}


def test_rule_37_unordered_funnels_allow_step_0_only(place: Place) -> None:
    assert broken(place, "b0 a1:x", order="unordered", breakdown_attribution="step:0") == {"x": [1, 1, 0]}
    with pytest.raises(Invalid) as error:
        broken(place, "a0", order="unordered", breakdown_attribution="step:1")
    assert list(error.value.fields) == ["breakdown_attribution"]


def test_rule_38_the_rest_and_a_cut_empty_value_become_other(place: Place) -> None:
    people = [told("a0:x b1", "u1"), told("a0:x", "u2"), told("a0:y b1", "u3"), told("a0 b1", "u4")]
    found = ask(place, people, breakdown="p", breakdown_limit=1)["breakdown"]
    assert {label: [step["count"] for step in steps] for label, steps in found.items()} == {
        "x": [2, 1, 0],
        "Other": [2, 2, 0],
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"steps": []}, "steps"),
        ({"steps": "abc"}, "steps"),
        ({"steps": [1]}, "steps"),
        ({"steps": ABC * 7}, "steps"),
        ({"steps": [{"event": {}}]}, "steps[0].event"),
        ({"steps": [{}, {"event": ["a"]}]}, "steps[1].event"),
        ({"breakdown_limit": {}}, "breakdown_limit"),
        ({"steps": [{"where": {"p": {"deep": 1}}}]}, "steps[0].where[p][deep]"),  # an object is an operator
        ({"steps": [{"where": {"p": {"is": {"deep": 1}}}}]}, "steps[0].where[p][is]"),
        ({"order": "sideways"}, "order"),
        ({"window_seconds": "long"}, "window_seconds"),
        ({"window_seconds": True}, "window_seconds"),
        ({"window_seconds": 1e300}, "window_seconds"),
        ({"exclusions": [{"from_step": 0, "to_step": 1}]}, "exclusions[0].event"),
        ({"breakdown": "p", "breakdown_attribution": "step:3"}, "breakdown_attribution"),
        ({"breakdown": "p", "breakdown_attribution": "middle"}, "breakdown_attribution"),
        ({"breakdown": "p", "breakdown_limit": 0}, "breakdown_limit"),
        ({"from": []}, "from"),
    ],
)
def test_what_is_wrong_is_named(place: Place, body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as error:
        ask(place, [], **body)
    assert list(error.value.fields) == [field]


def filtered(steps: int, properties: int, values: int) -> dict[str, Any]:
    """A funnel whose every step has that many properties with that many values each."""
    where = {f"p{number}": [f"v{value}" for value in range(values)] for number in range(properties)}
    return {"from": "2026-03-02", "to": "2026-03-20", "steps": [{"event": "a", "where": where}] * steps}


def test_filters_are_bounded_over_all_steps_together(place: Place) -> None:
    for steps, properties, values in ((10, 60, 100), (20, 11, 1), (3, 10, 100)):
        with pytest.raises(Invalid) as refused:
            funnel_body.LENS.read(RawParams.of_body(filtered(steps, properties, values)), place.project())
        (field, *_others) = refused.value.fields
        assert field.startswith("steps[")
        assert "200 properties and 2000 values" in refused.value.fields[field]


def test_a_statement_does_not_grow_with_the_values_of_a_filter(place: Place) -> None:
    lengths = {
        len(
            funnel.statement(
                funnel_body.LENS.read(RawParams.of_body(filtered(2, 5, values)), place.project()).funnel
            ).sql
        )
        for values in (2, 100)
    }
    assert len(lengths) == 1
