"""Paths and sessions: each rule by its number, and random histories against the reference."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from statistics import median
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lenses import paths, session_columns, sessions
from quadra.analytics.questions import timeline
from quadra.analytics.questions.snapshot import Measured
from quadra.analytics.visits import addresses
from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.core.pages import page_of
from tests.analytics import reference
from tests.analytics.conftest import Place
from tests.analytics.histories import HOUR, History, histories
from tests.analytics.reference import Event, Span, ev

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
DAY = {"from": "2026-03-02", "to": "2026-03-02"}
START = ev("u", "2026-03-02 10:00").us


def walk(history: str, who: str = "u") -> list[Event]:
    """`a0 b5`: names and minutes."""
    return [Event(who, START + int(word[1:]) * 60_000_000, word[0]) for word in history.split()]


def pages(history: str) -> list[Event]:
    """`/a/ 0 /b 5`: pages and minutes, in turns."""
    words = history.split()
    return [
        Event("u", START + int(minute) * 60_000_000, "page_view", kind="page", fields={"page_url": page})
        for page, minute in zip(words[::2], words[1::2], strict=True)
    ]


def edges(answer: Any) -> list[str]:
    return [f"{edge['position']} {edge['source']}>{edge['target']} {edge['count']}" for edge in answer["edges"]]


def of(place: Place, events: list[Event], **asked: Any) -> list[str]:
    return edges(place.ask(paths, place.tell(events), DAY, **asked))


def test_rule_55_a_pause_over_30_minutes_begins_a_session(place: Place) -> None:
    assert of(place, walk("a0 b30 c61 d62")) == ["1 a>b 1", "1 c>d 1"]


def test_rule_56_repeats_collapse_and_a_slash_at_the_end_does_not_matter(place: Place) -> None:
    assert of(place, walk("a0 a1 b2 a3")) == ["1 a>b 1", "2 b>a 1"]
    assert of(place, pages("/a/ 0 /a 1 /b/ 2 / 3"), include="page") == ["1 /a>/b 1", "2 /b>/ 1"]


def test_rule_57_an_edge_counts_once_in_each_session(place: Place) -> None:
    assert of(place, walk("a0 b1 a2 b3 a100 b101")) == ["1 a>b 2", "3 a>b 1", "2 b>a 1"]


def test_the_people_of_an_edge_are_named(place: Place) -> None:
    project = place.tell([*walk("a0 b1 a2 b3"), *walk("a0 b1 a100 b101", "v"), *walk("a0 c1", "w")])

    def who(position: int, target: str, **more: Any) -> Any:
        asked = {"people_at": position, "people_from": "a", "people_to": target}
        return place.ask(paths, project, DAY, **asked, **more)["people"]

    assert [who(1, "b"), who(3, "b"), who(1, "c"), who(3, "b", end="b")] == [["u", "v"], ["u"], ["w"], []]


def test_rule_58_sessions_are_cut_at_start_and_end(place: Place) -> None:
    told = [*walk("x0 a1 b2 a3 c4"), *walk("b0 c1", "v")]
    assert of(place, told, start="a") == ["1 a>b 1", "3 a>c 1", "2 b>a 1"]
    assert of(place, told, end="b") == ["2 a>b 1", "1 x>a 1"]
    assert of(place, told, start="b", end="c") == ["2 a>c 1", "1 b>a 1", "1 b>c 1"]
    assert of(place, pages("/x 0 /a 1 /b 2"), include="page", start="/a/") == ["1 /a>/b 1"]


def test_rule_59_at_most_max_steps_nodes_after_the_cut(place: Place) -> None:
    told = walk("x0 a1 b2 c3 d4 e5 f6")
    assert of(place, told, start="a", max_steps=3) == ["1 a>b 1", "2 b>c 1"]
    assert len(of(place, told)) == 4


def test_rule_60_an_excluded_event_is_taken_out_and_time_spans_the_gap(place: Place) -> None:
    found = place.ask(paths, place.tell(walk("a0 z4 b10 y11")), DAY, exclude_events="z,y")
    assert edges(found) == ["1 a>b 1"]
    assert found["edges"][0]["average_seconds"] == 600
    assert of(place, walk("a0 z4 b10"), include_events="a,b") == ["1 a>b 1"]


def test_rule_61_edges_by_count_then_by_name(place: Place) -> None:
    told = [*walk("b0 c1", "u1"), *walk("b0 c1", "u2"), *walk("a0 z1", "u3"), *walk("a0 c1", "u4")]
    assert of(place, told) == ["1 b>c 2", "1 a>c 1", "1 a>z 1"]


def test_page_views_and_other_events_can_be_told_apart(place: Place) -> None:
    told = [*pages("/a 0 /b 2"), *walk("c1 d3")]
    assert of(place, told) == ["1 /a>c 1", "3 /b>d 1", "2 c>/b 1"]
    assert of(place, told, include="page") == ["1 /a>/b 1"]
    assert of(place, told, include="event") == ["1 c>d 1"]
    with pytest.raises(Invalid) as error:
        of(place, told, include="what", max_steps=1, limit=0)
    assert set(error.value.fields) == {"include", "max_steps", "limit"}


def apart(history: History) -> list[Event]:
    """Nobody does two things at one instant: their order would be nobody's business."""
    found: dict[tuple[str, int, str | None], Event] = {}
    for event in history.events:  # the links lie long before the range, and each of them is needed
        found[history.people[event.id or ""], event.us, event.anonymous_id] = event
    return list(found.values())


def test_paths_agree_with_the_reference(place: Place) -> None:
    name = st.sampled_from([None, None, "a", "b"])

    @FEW
    @given(
        history=histories(days=1, most=40, step=HOUR // 4), most=st.integers(2, 6), start=name, end=name, without=name
    )
    def check(history: History, most: int, start: str | None, end: str | None, without: str | None) -> None:
        events, span = apart(history), Span(history.middle - 20 * HOUR, history.end, "day", history.zone)
        expected = reference.paths(events, history.people, span, most, start, end, without)
        asked = {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))}
        project = place.tell(events, history.zone)
        found = place.ask(paths, project, asked, max_steps=most, start=start, end=end, exclude_events=without)
        assert [tuple(edge.values()) for edge in found["edges"]] == expected

    check()


def test_sessions_have_a_length_and_first_and_last_pages(place: Place) -> None:
    told = [*pages("/a 0 /b/ 10 /a 100"), *walk("c0 d30 e61", "v"), replace(walk("z0", "bot")[0], bot=True)]
    found = place.ask(sessions, place.tell(told), DAY)
    assert (found["count"], found["people"], found["bounces"], found["bounce_rate"]) == (4, 2, 1, 25)
    assert (found["average_seconds"], found["median_seconds"]) == (600, 300)
    assert found["entries"] == [{"page": "/a", "count": 2}]
    assert found["exits"] == [{"page": "/a", "count": 1}, {"page": "/b", "count": 1}]
    assert found["periods"][0]["count"] == 4
    nothing = place.ask(sessions, place.project(), DAY)
    assert (nothing["count"], nothing["average_seconds"], nothing["bounce_rate"]) == (0, 0, 0)


def test_sessions_agree_with_the_reference(place: Place) -> None:
    @FEW
    @given(history=histories(days=2, most=40, step=HOUR // 4), interval=st.sampled_from(["hour", "day", "week"]))
    def check(history: History, interval: str) -> None:
        span = Span(history.middle - 20 * HOUR, history.end, interval, history.zone)
        inside = [event for event in history.events if span.holds(event)]
        expected = [(span.period(visit[0].us), visit) for _who, visit in reference.visits(inside, history.people)]
        asked = {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))}
        found = place.ask(sessions, place.tell(history.events, history.zone), asked, interval=interval)
        assert found["count"] == len(expected)
        lengths = [(visit[-1].us - visit[0].us) / 1e6 for _at, visit in expected]
        assert found["median_seconds"] == (median(lengths) if lengths else 0)
        counted = [(reference.iso(at), sum(1 for one, _visit in expected if one == at)) for at in span.axis()]
        assert [(period["at"], period["count"]) for period in found["periods"]] == counted

    check()


def test_pages_of_one_instant_are_first_and_last_by_their_event_ids(place: Place) -> None:
    """Whatever the addresses are, and where the pages of an instant are one page there is nothing to settle."""

    def at(minute: int, *told: tuple[str, str]) -> list[Event]:
        fields = [{"page_url": page, "event_id": f"{place_of}-{next(numbers)}"} for place_of, page in told]
        return [Event("u", START + minute * 60_000_000, "page_view", kind="page", fields=each) for each in fields]

    numbers = count(START)
    told = [
        *at(0, ("b", "/z"), ("a", "/m"), ("c", "/a")),
        *at(10, ("c", "/m"), ("b", "/a"), ("d", "/k")),
        *at(100, ("b", "/same/"), ("a", "/same")),
        *at(129, ("b", "/p"), ("a", "/q"), ("c", "/o")),
        *walk("x131"),
    ]
    filtered = [*at(100, ("0", "/hidden")), *at(129, ("z", "/hidden"))]
    filtered = [replace(event, bot=True) for event in filtered]
    project = place.tell([*told, *filtered])
    for _compacted in range(2):
        found = place.ask(sessions, project, DAY)
        assert found["entries"] == [{"page": "/m", "count": 1}, {"page": "/same", "count": 1}]
        assert found["exits"] == [{"page": "/k", "count": 1}, {"page": "/o", "count": 1}]
        place.compact(project)


def test_a_session_over_several_half_hours_keeps_its_first_and_last_page(place: Place) -> None:
    told = [*walk("x0"), *pages("/a 20 /b 45 /c 70 /d 95"), *walk("y120 z149")]
    found = place.ask(sessions, place.tell(told), DAY)
    assert (found["count"], found["entries"], found["exits"]) == (
        1,
        [{"page": "/a", "count": 1}],
        [{"page": "/d", "count": 1}],
    )


def test_events_of_one_instant_follow_one_another_by_their_event_ids(place: Place) -> None:
    def at(minute: int, who: str, *told: tuple[str, str]) -> list[Event]:
        events = [
            Event(who, START + minute * 60_000_000, name, fields={"event_id": f"{first}-{next(numbers)}"})
            for first, name in told
        ]
        return [replace(event, event_type=event.name) for event in events]

    numbers = count(START * 2)
    told = [
        *at(0, "u", ("2", "a"), ("3", "b"), ("1", "c")),
        *at(1, "u", ("1", "a"), ("2", "b")),
        *at(0, "v", ("2", "b"), ("1", "b")),
        *at(100, "v", ("1", "b"), ("2", "a"), ("3", "b")),
    ]
    project = place.tell(told)
    for _compacted in range(2):
        found = edges(place.ask(paths, project, DAY))
        assert found == ["2 a>b 2", "4 a>b 1", "1 b>a 1", "3 b>a 1", "1 c>a 1"]
        place.compact(project)


def test_columns_say_what_the_statement_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where people do several things at one instant, and of people who are looked at in parts."""
    quick = paths._of_columns

    @FEW
    @given(
        history=histories(days=1, most=40, step=HOUR // 4),
        most=st.integers(2, 6),
        at_once=st.sampled_from([10, 1_000]),
        limit=st.sampled_from([2, 1_000]),
    )
    def check(history: History, most: int, at_once: int, limit: int) -> None:
        monkeypatch.setattr(timeline, "ROWS_AT_ONCE", at_once)
        span = Span(history.middle - 20 * HOUR, history.end, "day", history.zone)
        asked = {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))}
        project = place.tell(history.events, history.zone)
        answers = []
        for way in (quick, lambda *_: None):
            monkeypatch.setattr(paths, "_of_columns", way)
            place.forget()
            answers.append(place.ask(paths, project, asked, max_steps=most, limit=limit)["edges"])
        assert answers[0] == [
            {**edge, "average_seconds": pytest.approx(edge["average_seconds"])} for edge in answers[1]
        ]

    check()


def test_columns_of_sessions_say_what_the_statement_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pages, other events and identifying at few instants, also of people who are looked at in parts."""
    quick = sessions._of_columns
    page = st.sampled_from(["/a", "/a/", "/b", "/c", None])
    told = st.tuples(st.sampled_from("uvw"), st.integers(0, 9), st.sampled_from(["page", "event", "identify"]), page)

    @settings(FEW, max_examples=25)
    @given(told=st.lists(told, max_size=30), interval=st.sampled_from(["hour", "day"]))
    def check(told: list[tuple[str, int, str, str | None]], interval: str) -> None:
        project = place.tell(
            [
                Event(who, START + at * 20 * 60_000_000, kind, kind=kind, fields={"page_url": page} if page else {})
                for who, at, kind, page in told
            ]
        )
        answers = []
        for way, at_once in ((quick, 1_000), (quick, 5), (lambda *_: None, 1_000)):
            monkeypatch.setattr(sessions, "_of_columns", way)
            monkeypatch.setattr(timeline, "ROWS_AT_ONCE", at_once)
            place.forget()
            found = place.ask(sessions, project, DAY, interval=interval)
            answers.append({name: value for name, value in found.items() if name not in Measured.__struct_fields__})
        assert answers[0] == answers[1] == approximately(answers[2])

    check()


def approximately(value: Any) -> Any:
    """The same, but for what adding numbers in another order makes of them."""
    if isinstance(value, dict):
        return {name: approximately(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [approximately(inner) for inner in value]
    return pytest.approx(value) if isinstance(value, float) else value


def test_numbers_of_sessions_that_do_not_fit_an_integer_are_left_to_the_statement() -> None:
    month, century = 30 * 24 * HOUR, 36_500 * 24 * HOUR
    assert session_columns.fits(month, 10_000)
    assert not session_columns.fits(century, 10_000)


def test_a_page_is_its_path_and_route_in_paths_and_sessions(place: Place) -> None:
    """Whoever sends people adds parameters: they make no pages of their own. A route in the hash does."""
    told = pages(
        "https://a.example/cart?utm_source=x 0 /cart/?fbclid=1 1 https://a.example/#/orders?x=1 2 "
        "https://b.example/#/cart 3 /done/#top 4"
    )
    project = place.tell([*told, *pages("/kept?a=1&b=2 100")])
    walked = ["1 /cart>/#/orders 1", "2 /#/orders>/#/cart 1", "3 /#/cart>/done 1"]
    for _compacted in range(2):
        assert sorted(edges(place.ask(paths, project, DAY))) == sorted(walked)
        assert sorted(edges(place.ask(paths, project, DAY, start="https://a.example/cart?y=2"))) == sorted(walked)
        assert edges(place.ask(paths, project, DAY, include_events="https://a.example/cart/?z,/done")) == [
            "1 /cart>/done 1"
        ]
        ends = {"people_at": 1, "people_from": "https://a.example/cart/?old=1", "people_to": "/#/orders"}
        assert place.ask(paths, project, DAY, **ends)["people"] == ["u"]
        found = place.ask(sessions, project, DAY)
        assert [each["page"] for each in found["entries"]] == ["/cart", "/kept"]
        assert [each["page"] for each in found["exits"]] == ["/done", "/kept"]
        place.compact(project)


@pytest.mark.parametrize(
    "url", ["/a/b?x=1", "https://h.example", "h/x#top", "//h/x/#!/r?q", "mailto:x", "/#/a/b?c#d", "?q", "a#b#/c"]
)
def test_a_page_is_the_same_in_sql(url: str) -> None:
    with duckdb.connect() as engine:
        (said,) = engine.execute(f"SELECT {addresses.page_of('$1', 'NULL')}", [url]).fetchall()[0]
    assert page_of(url) == said
