"""Traits of people: merged from random histories as a walk through them in plain Python merges them, in whatever order they came,
and usable in questions.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quadra.accounts.tables import Project
from quadra.analytics.export import read
from quadra.analytics.export_stream import Pieces
from quadra.analytics.funnels import body as funnels
from quadra.analytics.kept.goal_signals import goal_signals
from quadra.analytics.lenses import overview, paths, sessions, traits, trends, users
from quadra.analytics.tables import GoalRow
from quadra.core.api.raw_params import RawParams, raw_params
from tests.analytics.conftest import Place
from tests.analytics.histories import LINKS, PEOPLE
from tests.analytics.reference import Event, ev, us_of

START, END = us_of("2026-03-02"), us_of("2026-03-16")
MOMENTS = (START - 86_400_000_000, START, START + 5, START + 9, END + 7)
"""Few: several events say something at once."""
NAMES = ("plan", "a/b", "n~m", "company", "no")
VALUES: st.SearchStrategy[Any] = st.sampled_from(["pro", "free", "", 1, 2.5, True, None, {"x": 1}, '{"x', "ä"])
SAID: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from(NAMES[:4]), VALUES, max_size=3)
COMPANIES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{"company": "acme"}, {"$groups": {"company": "b.inc"}}, {"groupId": "g"}, {"context": {"groupId": "h"}}]
)


@st.composite
def told(draw: st.DrawFn) -> Event:
    who, us = draw(st.sampled_from([*PEOPLE, None])), draw(st.sampled_from(MOMENTS))
    props: dict[str, Any] = draw(COMPANIES) if draw(st.integers(0, 3)) == 0 else {}
    if draw(st.booleans()):
        props |= {"$set": draw(SAID) if draw(st.integers(0, 3)) else "junk"}
    if draw(st.booleans()):
        props |= {"$set_once": draw(SAID)}
    if who is not None and draw(st.booleans()):
        return Event(who, us, "identify", props, kind="identify", fields={"traits": draw(SAID)})
    return Event(who, us, "a", props)


@dataclass
class Known:
    """Of one person, so far. Each value as (when, text)."""

    last: dict[str, tuple[int, str]] = field(default_factory=dict)
    first: dict[str, tuple[int, str]] = field(default_factory=dict)
    company: tuple[int, str] = (0, "")

    @property
    def traits(self) -> dict[str, str]:
        return {name: text for name, (_us, text) in (self.first | self.last).items()}


def text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return '{"x":1}'
    return None if value is None else str(value)


def company_of(props: dict[str, Any]) -> str | None:
    inner = props.get("$groups", {}).get("company") or props.get("context", {}).get("groupId")
    found: str | None = props.get("company") or inner or props.get("groupId")
    return found


def known(events: list[Event]) -> dict[str, Known]:
    people: dict[str, Known] = {}
    for event in events:
        if event.us >= END or event.id is None:
            continue
        person = people.setdefault(PEOPLE[event.id], Known())
        said = event.props.get("$set")
        said = said if isinstance(said, dict) else {}
        said = said | {name: value for name, value in event.fields.get("traits", {}).items() if value is not None}
        for name, value in said.items():
            if (now := text(value)) is not None:
                person.last[name] = max((event.us, now), person.last.get(name, (0, "")))
        for name, value in event.props.get("$set_once", {}).items():
            if (once := text(value)) is not None:
                person.first[name] = min((event.us, once), person.first.get(name, (END, "")))
        if (company := company_of(event.props)) is not None:
            person.company = max((event.us, company), person.company)
    return people


def ask(place: Place, lens: Any, project: Project, **asked: Any) -> Any:
    return place.ask(lens, project, **{"from": "2026-03-02", "to": "2026-03-15", **asked})


def check_traits(place: Place, project: Project, events: list[Event]) -> None:
    people = known(events)
    for one in ("u1", "a1", "u2", "u3"):
        person = people.get(PEOPLE[one], Known())
        found = ask(place, traits, project, user_id=one)
        assert found["person"] == PEOPLE[one]
        assert {each["name"]: each["value"] for each in found["traits"]} == person.traits
        assert [each["company"] for each in found["companies"]][:1] == (
            [person.company[1]] if person.company[0] else []
        )
    everybody = ask(place, traits, project)
    expected = Counter(name for person in people.values() for name in person.traits)
    assert {each["name"]: each["people"] for each in everybody["traits"]} == dict(expected)


def check_questions(place: Place, project: Project, events: list[Event]) -> None:
    people, inside = known(events), [event for event in events if START <= event.us < END]

    def value(event: Event, name: str) -> str:
        person = people[PEOPLE[event.id]] if event.id else Known()
        if name == "company" and person.company[0]:
            return person.company[1]
        return person.traits.get(name, "")

    for name in NAMES:
        found = ask(place, trends, project, breakdown=f"person.{name}", interval="whole")
        counted = {one["label"]: one["points"][0]["value"] for one in found["series"]}
        assert counted == dict(Counter(value(event, name) for event in inside))
    for op, fits in (("is", "pro".__eq__), ("is_not", "pro".__ne__)):
        found = ask(place, trends, project, interval="whole", **{f"where[person.plan][{op}]": "pro"})
        counted = sum(point["value"] for one in found["series"] for point in one["points"])
        assert counted == sum(1 for event in inside if fits(value(event, "plan")))


def test_traits_and_questions_about_them_agree_with_the_reference(place: Place) -> None:
    # a smaller history that differs too is not looked for: each costs a second of CPU
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(events=st.lists(told(), min_size=20, max_size=30), late=st.integers(0, 20))
    def check(events: list[Event], late: int) -> None:
        links = [Event(who, START - 400, "linked", anonymous_id=other) for who, other in LINKS]
        project = place.tell([*links, *events[late:]])
        place.compact(project)
        place.append(project, events[:late])
        check_traits(place, project, [*links, *events])
        check_questions(place, project, [*links, *events])

    check()


def test_what_was_set_once_stays_and_what_comes_late_counts_when_it_happened(place: Place) -> None:
    project = place.tell(
        [
            ev("u", "2026-03-05", "a", **{"$set_once": {"source": "ad"}, "$set": {"plan": "pro"}}),
            ev("u", "2026-03-04", "a", **{"$set_once": {"source": "search"}, "$set": {"plan": "free"}}),
            ev("u", "2026-03-06", "a", **{"$set_once": {"source": "mail"}}),
        ]
    )
    found = ask(place, traits, project, user_id="u")["traits"]
    assert [(each["name"], each["value"]) for each in found] == [("plan", "pro"), ("source", "search")]
    place.append(project, [ev("u", "2026-03-01", "a", **{"$set_once": {"source": "friend"}})])
    assert ask(place, traits, project, user_id="u")["traits"][1]["value"] == "friend"


def test_a_segment_and_a_step_go_by_traits_too(place: Place) -> None:
    project = place.tell(
        [
            ev("u", "2026-03-05 10:00", "a", **{"$set": {"plan": "pro"}}),
            ev("u", "2026-03-05 11:00", "b"),
            ev("v", "2026-03-05 10:00", "a"),
            ev("v", "2026-03-05 11:00", "b", company="acme"),
        ]
    )
    steps = [{"event": "a"}, {"event": "b", "where": {"person.plan": "pro"}}]
    given_ = {"from": "2026-03-02", "to": "2026-03-15", "steps": steps, "breakdown": "person.company"}
    found = place.answer(funnels.LENS, RawParams.of_body(given_), project)
    assert [step["count"] for step in found["steps"]] == [2, 1]
    assert {name: [step["count"] for step in steps] for name, steps in found["breakdown"].items()} == {
        "acme": [1, 0],
        "": [1, 1],
    }


def test_what_is_kept_of_people_ends_when_a_trait_is_told_of_a_time_before(place: Place) -> None:
    """Such an event lies in no range that was asked about, and changes whose events count."""
    days = {"from": "2026-03-04", "to": "2026-03-06", "where": {"person.plan": "pro"}}
    saying = [Event(who, START, "identify", {"$set": {"plan": plan}}) for who, plan in (("u", "pro"), ("v", "free"))]
    doing = [ev(who, f"2026-03-05 10:0{at}", name) for who in "uv" for at, name in enumerate("ab")]
    project = place.tell([*saying, *doing])

    def counted() -> list[int]:
        found = [place.ask(lens, project, days) for lens in (sessions, users, overview)]
        walked = place.ask(paths, project, days)["edges"]
        return [found[0]["count"], found[1]["totals"]["active"], found[2]["users"]["active"], walked[0]["count"]]

    assert counted() == [1, 1, 1, 1]
    place.append(project, [Event("v", START + 86_400_000_000, "identify", {"$set": {"plan": "pro"}})])
    assert counted() == [2, 2, 2, 2]


def test_an_export_goes_by_traits_and_the_field_judges_no_goal_that_does(place: Place) -> None:
    pro = ev("u", "2026-03-05 10:00", "a", **{"$set": {"plan": "pro"}})
    project = place.tell([pro, ev("u", "2026-03-06", "b"), ev("v", "2026-03-06", "c")])
    asked = raw_params(
        [("from", "2026-03-06"), ("to", "2026-03-06"), ("where[person.plan]", "pro"), ("format", "ndjson")]
    )
    with closing(Pieces(place.runtime, read(asked, project))) as pieces:
        lines = b"".join(pieces).splitlines()
    assert [orjson.loads(line)["event_name"] for line in lines if line] == ["b"]
    with place.runtime.database.begin() as session:
        for where in ({}, {"person.plan": "pro"}):
            session.add(GoalRow(project_id=project.id, name="Goal", event="b", where=where, created_by="test"))
    with place.runtime.database.read() as session:
        assert len(goal_signals(session, project.id)) == 1
