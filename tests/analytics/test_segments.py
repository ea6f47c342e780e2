"""Segments agree with a reference on random histories, compacted or not; every lens counts only the events of their people."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lens_list import LENSES, read_asked
from quadra.analytics.lenses import trends
from quadra.analytics.tables import SegmentOfPeople
from tests.analytics.conftest import OF_THE_MOMENT, As, Place
from tests.analytics.histories import HOUR, History, histories
from tests.analytics.reference import Event, Span, Wanted, ev, person, trend

DAY = 24 * HOUR
RULES: tuple[dict[str, Any], ...] = (
    {"where": {"plan": "x"}},
    {"did": [{"event": "a", "at_least": 2}]},
    {"did": [{"event": "b", "where": {"plan": {"is_not": "x"}}}], "did_not": [{"event": "c", "within_days": 3}]},
    {"where": {"n": {"gte": 5}}, "did_not": [{"event": "a", "at_least": 3}]},
    {"did": [{"within_days": 1}]},
    {"did_not": [{"event": "c"}]},
)


def keep(place: Place, project_id: int, rule: dict[str, Any]) -> str:
    with place.runtime.database.begin() as session:
        row = SegmentOfPeople(project_id=project_id, name="Segment", created_by="test", rule=rule)
        session.add(row)
        session.flush()
        return row.id


def fits(event: Event, where: dict[str, Any]) -> bool:
    for prop, wanted in where.items():
        value = event.props.get(prop)
        if wanted == {"gte": 5} and not (isinstance(value, int) and value >= 5):
            return False
        if wanted == {"is_not": "x"} and value == "x":
            return False
        if isinstance(wanted, str) and value != wanted:
            return False
    return True


def belongs(mine: list[Event], rule: dict[str, Any], start: int, end: int) -> bool:
    def count(did: dict[str, Any]) -> int:
        begins = end - did["within_days"] * DAY if "within_days" in did else 0
        return sum(
            begins <= event.us < end and did.get("event") in (None, event.name) and fits(event, did.get("where", {}))
            for event in mine
        )

    return (
        any(event.us < end for event in mine)
        and ("where" not in rule or any(start <= event.us < end and fits(event, rule["where"]) for event in mine))
        and all(count(did) >= did.get("at_least", 1) for did in rule.get("did", []))
        and all(count(did) < did.get("at_least", 1) for did in rule.get("did_not", []))
    )


def test_segments_agree_with_the_reference(place: Place) -> None:
    @settings(
        max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(history=histories(), rule=st.sampled_from(RULES))
    def check(history: History, rule: dict[str, Any]) -> None:
        half = len(history.events) // 2
        project = place.tell(history.events[:half], history.zone)
        place.compact(project)
        place.append(project, history.events[half:])
        everyone = {person(event, history.people) for event in history.events}
        chosen = {
            who
            for who in everyone
            if belongs(
                [event for event in history.events if person(event, history.people) == who],
                rule,
                history.start,
                history.end,
            )
        }
        mine = [event for event in history.events if person(event, history.people) in chosen]
        asked = {
            "from": history.start // 1000,
            "to": history.end // 1000,
            "aggregate": "unique",
            "segment": keep(place, project.id, rule),
        }
        (series,) = place.ask(trends, project, asked)["series"]
        span = Span(history.start, history.end, "day", history.zone)
        expected = [value for _at, value in trend(mine, history.people, span, Wanted(), "unique")]
        assert [point["value"] for point in series["points"]] == expected

    check()


def test_every_lens_counts_only_the_events_of_its_people(place: Place) -> None:
    theirs = [ev("u1", "2026-03-03 10:00", "a", plan="x"), ev("u1", "2026-03-03 10:01", "b")]
    others = [ev("u2", "2026-03-03 10:02", "a"), ev(None, "2026-03-03 10:03", "a")]
    alone, both = place.tell(theirs), place.tell([*theirs, *others])
    segment = keep(place, both.id, {"where": {"plan": "x"}})
    asked = {"from": "2026-03-02", "to": "2026-03-05"}
    for lens in LENSES:
        more: dict[str, Any] = {"steps": [{"event": "a"}, {"event": "b"}]} if lens.in_body else {}
        answers = []
        for project, question in ((alone, {**asked, **more}), (both, {**asked, **more, "segment": segment})):
            found = lens.ask(place.runtime, read_asked(lens.path, question, project))
            answers.append(
                {name: getattr(found, name) for name in type(found).__struct_fields__ if name not in OF_THE_MOMENT}
            )
        if lens.path == "user/events":
            answers = [[row.event_name for row in answer["events"]] for answer in answers]
        assert answers[0] == answers[1], lens.path


def test_goals_segments_and_annotations_are_made_changed_listed_and_deleted(
    client: FlaskClient, as_: As, place: Place
) -> None:
    project = place.tell(
        [
            ev("u1", "2026-03-03 10:00", "bought", price=3.5),
            ev("u1", "2026-03-03 10:01", "bought", price=1),
            ev("u2", "2026-03-03 10:00", "looked"),
        ]
    )
    admin, reader = as_(project.slug, "admin"), as_(project.slug)
    other = as_(place.project().slug, "admin")

    goal = {
        "name": "Bought",
        "event": "bought",
        "value_property": "price",
        "currency": "EUR",
        "where": {"price": {"gt": 2}},
    }
    made = client.post("/api/goals", json=goal, headers=admin)
    assert made.status_code == 201, made.json
    assert made.json["where"] == {"price": {"gt": "2"}}
    assert client.post("/api/goals", json=goal, headers=reader).status_code == 403
    address = f"/api/goals/{made.json['id']}"
    assert client.patch(address, json={"name": "x"}, headers=reader).status_code == 403
    assert client.patch(address, json={"name": "x"}, headers=other).status_code == 404
    assert client.delete(address, headers=other).status_code == 404
    changed = client.patch(address, json={"where": None, "name": "Paid"}, headers=admin)
    assert (changed.status_code, changed.json["name"], changed.json["where"]) == (200, "Paid", {}), changed.json
    assert client.patch(address, json={"page": "/x"}, headers=admin).json["error"]["fields"].keys() == {"event"}
    assert [each["name"] for each in client.get("/api/goals", headers=reader).json["goals"]] == ["Paid"]
    for wrong, field in (
        ({"name": "x"}, "event"),
        ({"name": "x", "event": "a", "currency": "eur"}, "currency"),
        ({"name": "x", "page": "thanks"}, "page"),
        ({"name": "x", "event": "a", "vent": "b"}, "vent"),
        ({"name": "x", "event": "a", "where": {"n": {"gt": "many"}}}, "where[n][gt]"),
    ):
        assert field in client.post("/api/goals", json=wrong, headers=admin).json["error"]["fields"], wrong
    asked = f"from=2026-03-03&to=2026-03-03&goal={made.json['id']}"
    totals = client.get(f"/api/analytics/visits?{asked}", headers=reader).json["totals"]
    assert (totals["conversions"], totals["conversion_rate"], totals["revenue"]) == (2, 50, 4.5)
    assert client.get(f"/api/analytics/visits?{asked}", headers=other).status_code == 404
    reached = client.get("/api/analytics/goals?from=2026-03-03&to=2026-03-03", headers=reader).json
    assert reached["goals"] == [
        {
            "id": made.json["id"],
            "name": "Paid",
            "currency": "EUR",
            "conversions": 2,
            "visitors": 1,
            "conversion_rate": 50.0,
            "revenue": 4.5,
            "previous": {"conversions": 0, "visitors": 0, "conversion_rate": 0.0, "revenue": 0.0},
        }
    ]

    rule = {"name": "Buyers", "did": [{"event": "bought", "at_least": 2}]}
    segment = client.post("/api/segments", json=rule, headers=admin)
    assert (segment.status_code, segment.json["did"]) == (201, [{"event": "bought", "at_least": 2}]), segment.json
    address = f"/api/segments/{segment.json['id']}"
    asked = f"/api/analytics/trends?from=2026-03-03&to=2026-03-03&interval=whole&segment={segment.json['id']}"
    (series,) = client.get(asked, headers=reader).json["series"]
    assert series["points"][0]["value"] == 2
    exported = client.get(
        asked.replace("trends", "export").replace("interval=whole&", "format=ndjson&"), headers=reader
    )
    assert len(exported.data.splitlines()) == 2
    assert client.get(asked, headers=other).status_code == 404
    assert client.patch(address, json={"did": None}, headers=admin).json["error"]["fields"].keys() == {"where"}
    assert client.patch(address, json={"name": "Two"}, headers=admin).json["did"] == segment.json["did"]
    assert client.get("/api/segments", headers=other).json["segments"] == []
    assert client.delete(address, headers=admin).json == {"success": True}
    assert client.get(asked, headers=reader).status_code == 404

    said = {"text": "Release 2.4", "at": "2026-03-03T10:00:00Z"}
    annotation = client.post("/api/annotations", json=said, headers=admin)
    assert (annotation.status_code, annotation.json["source"]) == (201, "person"), annotation.json
    assert client.post("/api/annotations", json={**said, "at": "soon"}, headers=admin).json["error"][
        "fields"
    ].keys() == {"at"}
    for bounds, count in (("from=2026-03-03&to=2026-03-03", 1), ("to=2026-03-02", 0), ("", 1)):
        assert len(client.get(f"/api/annotations?{bounds}", headers=reader).json["annotations"]) == count, bounds
    assert client.delete(f"/api/annotations/{annotation.json['id']}", headers=reader).status_code == 403
    assert client.delete(f"/api/annotations/{annotation.json['id']}", headers=admin).json == {"success": True}
