"""Visits agree with the reference on random histories, compacted or not, across clock changes; and by hand where a rule is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.accounts.tables import Project
from quadra.analytics.lenses import visits
from quadra.analytics.tables import GoalRow
from tests.analytics import visits_reference as reference
from tests.analytics.conftest import Place
from tests.analytics.histories import BACK, HOUR, LINKS, PEOPLE, ZONES
from tests.analytics.reference import Event, Span, us_of

ADDRESSES = (
    "https://shop.example",
    "https://shop.example/a?fbclid=1",
    "https://www.shop.example/a/b#top",
    "https://shop.example/#/orders?x=1",
    "/a?gclid=7",
    "https://shop.example/a?utm_source=Google&utm_medium=CPC&utm_campaign=Spring+%C3%BC",
    "https://shop.example/b?utm_source=letter&utm_medium=email",
    "https://shop.example/b?utm_source=facebook&utm_medium=paid_social",
    "https://shop.example/b?ttclid=1",
)
REFERRERS = (
    "https://www.shop.example/a",
    "https://www.google.de/",
    "https://l.facebook.com/",
    "https://chatgpt.com/",
    "https://www.youtube.com/watch",
    "https://elsewhere.example/x",
)
BY = (
    "page",
    "hostname",
    "entry_page",
    "exit_page",
    "channel",
    "referrer",
    "utm_source",
    "utm_campaign",
    "country",
    "language",
)
INTERVALS = ("hour", "day", "week")
Told = tuple[str, int, list[Event]]
FEW: dict[str, Any] = {
    "max_examples": 25,
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
GOALS = (
    reference.Goal(event="bought", value_property="n"),
    reference.Goal(page="/a*"),
    reference.Goal(page="/**"),
)


@st.composite
def one(draw: st.DrawFn, middle: int) -> Event:
    kind = draw(st.sampled_from(["page", "page", "event", "identify"]))
    fields: dict[str, Any] = {}
    if kind == "page":
        fields["page_url"] = draw(st.sampled_from([None, *ADDRESSES]))
        fields["referrer"] = draw(st.sampled_from([None, *REFERRERS]))
        fields["page_query"] = draw(st.sampled_from([None, None, None, "id=1"]))
    fields["language"] = draw(st.sampled_from([None, "de", "en-GB"]))
    at = draw(st.one_of(st.integers(-9 * 144, 9 * 144), st.integers(-9, 9)))
    name = {"page": "page_view", "identify": "identify"}.get(kind) or draw(
        st.sampled_from(["bought", "looked", "engagement"])
    )
    return Event(
        draw(st.sampled_from([*PEOPLE, "u1", "u2", None])),
        middle + at * HOUR // 6 + draw(st.sampled_from([0, 0, 60_000_000])),
        name,
        {"n": draw(st.integers(1, 9))},
        bot=draw(st.integers(0, 6)) == 0,
        kind=kind,
        event_type=name,
        fields={name: value for name, value in fields.items() if value},
        country=draw(st.sampled_from([None, "DE", "AT"])),
    )


@st.composite
def told(draw: st.DrawFn) -> Told:
    zone = draw(st.sampled_from([*sorted(ZONES), "Asia/Kathmandu"]))  # whose hours begin at a quarter past
    middle = us_of(draw(st.sampled_from([ZONES.get(zone, "2026-03-05"), BACK.get(zone, "2026-02-28")])))
    events = draw(st.lists(one(middle), max_size=50))
    linked = [Event(who, middle - 400 * 24 * HOUR, "linked", anonymous_id=other) for who, other in LINKS]
    ids = draw(st.permutations(range(len(events))))
    named = [
        replace(event, fields={**event.fields, "event_id": f"e{at:04}"}) for event, at in zip(events, ids, strict=True)
    ]
    return zone, middle, [*(replace(each, fields={"event_id": f"l{n}"}) for n, each in enumerate(linked)), *named]


def keep(place: Place, project: Project, goal: reference.Goal) -> str:
    with place.runtime.database.begin() as session:
        row = GoalRow(project_id=project.id, name="Goal", created_by="test", where={}, **vars(goal))
        session.add(row)
        session.flush()
        return row.id


def approx(found: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}


def test_visits_agree_with_the_reference(place: Place) -> None:
    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        told=told(), by=st.sampled_from(BY), goal=st.sampled_from([None, *GOALS]), interval=st.sampled_from(INTERVALS)
    )
    def check(told: Told, by: str, goal: reference.Goal | None, interval: str) -> None:
        zone, middle, events = told
        half = len(events) // 2
        project = place.tell(events[:half], zone)
        place.compact(project)
        place.append(project, events[half:])
        start, end = middle - 3 * 24 * HOUR, middle + 3 * 24 * HOUR
        asked = {"from": start // 1000, "to": end // 1000, "by": by, "interval": interval, "limit": 1000}
        if goal is not None:
            asked["goal"] = keep(place, project, goal)
        found = place.ask(visits, project, asked)
        now = reference.visits_of(events, PEOPLE, start, end)
        previous = found["totals"].pop("previous")
        assert approx(found["totals"]) == approx(reference.totals(now, goal))
        shown = {
            row.pop("value"): approx({name: row[name] for name in row if name != "label"}) for row in found["rows"]
        }
        assert shown == {value: approx(numbers) for value, numbers in reference.rows(now, by, goal).items()}
        span = Span(start, end, interval, zone, project.week_start)
        points = [{name: value for name, value in point.items() if name != "previous"} for point in found["series"]]
        assert points == reference.series(now, span)
        place.compact(project)
        again = place.ask(visits, project, asked)
        assert (again["totals"] | {"previous": None}, again["series"]) == (
            found["totals"] | {"previous": None},
            found["series"],
        )
        assert previous is not None

    check()


def test_two_views_at_one_instant_are_in_the_order_of_their_ids(place: Place) -> None:
    at = us_of("2026-03-03 10:00")
    views = [
        Event("u", at, "page_view", kind="page", fields={"page_url": f"/{page}", "event_id": f"{order}-{page}-tie"})
        for order, page in (("2", "b"), ("1", "c"), ("3", "a"))
    ]
    project = place.tell(views)
    for by, page in (("entry_page", "/c"), ("exit_page", "/a")):
        assert [row["value"] for row in place.ask(visits, project, by=by)["rows"]] == [page]
