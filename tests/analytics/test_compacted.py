"""Every lens says the same of one history that is not compacted, half compacted, and compacted.

That what it says is right, the tests of each lens compare with the reference.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings

from quadra.accounts.tables import Project
from quadra.analytics.funnels.body import LENS
from quadra.analytics.lens_list import LENSES, read_asked
from quadra.core import clock
from tests.analytics.conftest import OF_THE_MOMENT, Place
from tests.analytics.stories import Story, stories

FUNNELS = LENS.path
FUNNEL = {
    "steps": [{"event": "a"}, {"event": "b", "where": {"plan": "x"}}, {}],
    "breakdown": "plan",
    "breakdown_attribution": "step:1",
}
MORE: dict[str, tuple[dict[str, Any], ...]] = {
    "trends": (
        {"aggregate": "weekly_active"},
        {"breakdown": "plan"},
        {"aggregate": "sum", "property": "metric_value"},
        {"breakdown": "person.tier", "where": {"person.company": {"not_set": "true"}}},
    ),
    "retention": ({"kind": "recurring", "first_event": "a"},),
    "user/events": ({"limit": 1000, "include_bots": "false"},),
    "user/traits": ({"user_id": "a1"},),
    "errors": ({"include_bots": "false", "where": {"plan": "x"}},),
    FUNNELS: (FUNNEL, {**FUNNEL, "order": "strict"}, {**FUNNEL, "order": "unordered", "breakdown_attribution": None}),
}
"""Lens -> the ways in which it is asked beside the plain one."""
OF_THE_ROW = ("batch_id", "received_at")


def test_every_lens_says_the_same_before_half_way_through_and_after_compaction(place: Place) -> None:
    @settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(story=stories(most=80))
    def check(story: Story) -> None:
        half = len(story.events) // 2
        first, rest = story.events[:half], story.events[half:]
        fresh = place.tell(story.events, story.zone)
        project = place.tell(first, story.zone)
        expected = _answers(place, fresh, story)
        place.compact(project)
        place.append(project, rest)
        assert _answers(place, project, story) == expected
        place.compact(project)
        assert _answers(place, project, story) == expected

    check()


def _answers(place: Place, project: Project, story: Story) -> dict[str, Any]:
    start, end = (clock.iso(clock.from_us(us)) for us in (story.start, story.end))
    found = {}
    for lens in LENSES:
        for number, more in enumerate((*(() if lens.in_body else ({},)), *MORE.get(lens.path, ()))):
            asked = read_asked(lens.path, {"from": start, "to": end, **more}, project)
            answer = msgspec.to_builtins(lens.ask(place.runtime, asked))
            for row in answer.get("events", ()) if lens.path == "user/events" else ():
                for name in OF_THE_ROW:
                    del row[name]
            found[f"{lens.path} {number}"] = {
                name: value for name, value in answer.items() if name not in OF_THE_MOMENT
            }
    return found
