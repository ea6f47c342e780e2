"""What is put together out of what each file says is what the plain statement says, whatever happens to the files in between.

That the statements are right, the tests of each lens compare with the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import lens_of
from quadra.analytics.lenses import paths, sessions
from quadra.analytics.questions import presence_days, stretches
from quadra.core import clock
from quadra.ingest.tables import Batch
from quadra.warehouse.query import partials
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.partials import Partials
from quadra.warehouse.segments import catalogue
from quadra.warehouse.segments.complete import Columns
from quadra.warehouse.segments.merging import merge_some
from quadra.warehouse.tables import Segment
from tests.analytics.conftest import OF_THE_MOMENT, Place
from tests.analytics.histories import HOUR, LINKS, PEOPLE
from tests.analytics.reference import Event, us_of
from tests.warehouse.conftest import erase

ZONES = {"UTC": "2026-03-08", "America/New_York": "2026-03-08 05:00", "Asia/Tehran": "2022-03-21 20:30"}
DAY = 24 * HOUR
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("trends", {}),
    ("trends", {"event": "a", "interval": "hour", "aggregate": "unique"}),
    ("trends", {"interval": "week", "aggregate": "unique", "breakdown": "plan", "breakdown_limit": 1}),
    ("trends", {"aggregate": "weekly_active", "breakdown": "plan"}),
    ("trends", {"breakdown": "plan", "breakdown_limit": 1, "where": {"event_name": "a"}}),
    ("trends", {"aggregate": "avg", "property": "n", "breakdown": "plan"}),
    ("trends", {"aggregate": "sum", "property": "n", "interval": "whole"}),
    ("trends", {"aggregate": "max_per_user", "property": "n"}),
    ("trends", {"aggregate": "max_per_user", "include_bots": "true"}),
    ("stickiness", {"per_interval": "gte:2"}),
    ("stickiness", {"interval_count": 2, "cumulative": "true"}),
    ("lifecycle", {}),
    ("lifecycle", {"event": "a", "interval": "week"}),
    ("retention", {}),
    ("retention", {"kind": "recurring", "first_event": "a", "return_event": "b", "minimum_occurrences": 2}),
    ("retention", {"cumulative": "true", "kind": "recurring", "period": "week"}),
    ("performance", {}),
    ("user/events/analytics", {"limit": 2}),
)
CUT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sessions", {}),
    ("sessions", {"interval": "hour", "where": {"plan": "x"}}),
    ("sessions", {"interval": "week", "include_bots": "true"}),
    ("users", {}),
    ("paths", {}),
    ("dashboard", {}),
    ("paths", {"max_steps": 3, "include_events": "a,/x", "include": "all"}),
    ("users", {"limit": 2, "where": {"plan": "x"}}),
    ("dashboard", {"interval": "hour", "compare_from": "2026-03-06", "compare_to": "2026-03-08"}),
)
"""Cut into days."""
OF_DAYS = (paths, presence_days, sessions)


def happenings(when: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[str, Any]]:
    """What comes, comes at these half-hours."""
    one = st.builds(
        lambda who, at, name, plan, n, bot: (
            who,
            at,
            name,
            ({"plan": plan} if plan else {}) | ({"n": n} if n else {}),
            bot,
        ),
        st.sampled_from([*PEOPLE, "u1", "u2", None]),
        when,
        st.sampled_from("ab"),
        st.sampled_from(["", "x", "y", "Other"]),
        st.one_of(st.none(), st.integers(-3, 9)),
        st.integers(0, 6).map(lambda n: n == 0),
    )
    return st.one_of(
        st.tuples(
            st.sampled_from(["come", "are sealed", "are compacted", "are compacted"]),
            st.lists(one, min_size=1, max_size=9),
        ),
        st.tuples(st.sampled_from(["are erased"]), st.sampled_from([*PEOPLE])),
        st.tuples(st.sampled_from(["join"]), st.sampled_from(LINKS)),
        st.tuples(st.sampled_from(["are merged"]), st.none()),
        st.tuples(st.sampled_from(["are too old"]), st.integers(-4, 0)),
    )


scattered = happenings(st.one_of(st.integers(-5 * 48, 5 * 48), st.integers(-3, 3)))
around_midnights = happenings(st.builds(lambda day, near: day * 48 + near, st.integers(-1, 1), st.integers(-2, 4)))
ranges = st.tuples(st.integers(-6 * 24, 0), st.integers(1, 5 * 24))


def ask(
    place: Place, project: Project, start_us: int, end_us: int, some: Sequence[tuple[str, dict[str, Any]]]
) -> list[Any]:
    """Whatever answers are kept."""
    place.forget()
    bounds = {"from": clock.iso(clock.from_us(start_us)), "to": clock.iso(clock.from_us(end_us))}
    found = [place.ask(Lens(lens), project, {**bounds, **asked}) for lens, asked in some]
    return [{name: value for name, value in answer.items() if name not in OF_THE_MOMENT} for answer in found]


class Lens:
    def __init__(self, path: str):
        self.LENS = lens_of(path)


def requested(name: str, props: dict[str, Any]) -> dict[str, Any]:
    """Some of them are requests, and some are pages."""
    if "n" not in props:
        return {"kind": "page", "fields": {"page_url": f"https://a.example/{props['plan']}"}} if props else {}
    n = props["n"]
    fields = {"endpoint": f"/{name}", "status_code": (200, 404, 500)[n % 3], "response_time_ms": n**2}
    return {"kind": "request", "fields": fields | ({"method": "GET"} if n % 2 else {})}


def merge(place: Place, project: Project) -> None:
    """As on the day after."""
    with place.runtime.database.begin() as session:
        session.execute(sa.update(Segment).values(created_at=clock.now() - timedelta(days=2)))
    with place.runtime.database.read() as session:
        days = session.scalars(sa.select(Segment.day).where(Segment.project_id == project.id).distinct()).all()
    for day in days:
        merge_some(place.runtime, project.id, day)


def seal(place: Place, project: Project) -> None:
    with place.runtime.database.begin() as session:
        opened = sa.and_(Batch.project_id == project.id, Batch.status == "OPEN")
        session.execute(sa.update(Batch).where(opened).values(status="SEALED", sealed_at=clock.now()))


def told(place: Place, project: Project, middle: int, what: str, given_: Any) -> None:
    """What happens in a story."""
    if what == "are erased":
        erase(place.runtime, given_, project.id)
    elif what == "join":
        (user, other), at = given_
        place.append(project, [Event(user, middle + at * HOUR, "linked", anonymous_id=other)])
    elif what == "are merged":
        merge(place, project)
    else:
        rows = [
            Event(who, middle + at * HOUR // 2, name, props, bot=bot, **requested(name, props))
            for who, at, name, props, bot in given_
        ]
        place.append(project, rows)
        if what != "come":
            seal(place, project)
        if what == "are compacted":
            place.compact(project)


STORY = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def happens(
    patched: pytest.MonkeyPatch, place: Place, project: Project, middle: int, what: str, given_: Any, start: int
) -> None:
    """One turn of a story."""
    if what == "are too old":
        patched.setattr(catalogue, "first_kept_us", lambda _days, us=middle + given_ * DAY: us)
    else:
        told(place, project, middle, what, (given_, start) if what == "join" else given_)


def test_parts_say_what_the_statement_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Late events, compaction, merges, erasure, joins of people and retention between questions of moving ranges."""
    put_together = []
    of = Partials.of

    def noted(self: Partials, look: Any, tally: Any) -> Any:
        found = of(self, look, tally)
        put_together.append(found is not None)
        return found

    @STORY
    @given(
        zone=st.sampled_from(sorted(ZONES)),
        story=st.lists(st.tuples(scattered, ranges), min_size=5, max_size=8),
    )
    def check(zone: str, story: list[Any]) -> None:
        middle, project = us_of(ZONES[zone]), place.project(zone)
        with monkeypatch.context() as patched:
            for turn, ((what, given_), (start, end)) in enumerate(story):
                happens(patched, place, project, middle, what, given_, start)
                bounds = (middle + start * HOUR, middle + end * HOUR, ASKED[turn % 2 :: 2])
                patched.setattr(Partials, "of", noted)
                found = ask(place, project, *bounds)
                patched.setattr(Partials, "of", lambda *_asked: None)
                assert found == ask(place, project, *bounds)

    check()
    assert put_together
    assert all(put_together)


@pytest.fixture
def by_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first asking on."""
    monkeypatch.setattr(stretches, "FIRST_SECONDS", 0.0)


def test_who_asks_once_waits_for_no_parts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "FIRST_SECONDS", 1_000.0)
    began = clock.now_us()
    project = place.tell([Event("u1", began - HOUR, "a")])
    place.compact(project)
    kept = warehouse_of(place.runtime).partials
    bounds = (began - 2 * HOUR, began, [("sessions", {})])
    first = ask(place, project, *bounds)
    shapes = kept._projects[project.id].shapes.values()
    assert not any(shape.parts for shape in shapes)
    for shape in shapes:
        shape.begun -= 1_000.0
    assert ask(place, project, *bounds) == first
    assert any(shape.parts for shape in shapes)


@pytest.mark.usefixtures("by_days")
def test_days_put_together_say_what_the_whole_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same story; sessions go on over midnight, over the edges of files, and from one id of a person to another."""
    cut = []
    of = stretches.stretched

    def noted(*asked: Any) -> Any:
        found = of(*asked)
        cut.append(found is not None)
        return found

    @settings(STORY, max_examples=2)
    @given(
        story=st.lists(st.tuples(around_midnights, ranges), min_size=5, max_size=6),
    )
    def check(story: list[Any]) -> None:
        middle, project = us_of("2026-03-08"), place.project()
        with monkeypatch.context() as patched:
            for turn, ((what, given_), (start, end)) in enumerate(story):
                happens(patched, place, project, middle, what, given_, start)
                bounds = (middle + start * HOUR, middle + end * HOUR, CUT[turn % 3 :: 3])
                for module in OF_DAYS:
                    patched.setattr(module, "stretched", noted)
                found = ask(place, project, *bounds)
                for module in OF_DAYS:
                    patched.setattr(module, "stretched", lambda *_asked: None)
                assert found == ask(place, project, *bounds)

    check()
    assert cut
    assert all(cut)


@pytest.mark.usefixtures("by_days")
@pytest.mark.parametrize("pause", [15, 30, 31])
def test_sessions_go_on_over_midnights(place: Place, pause: int) -> None:
    """From one file to the next and from one id of a person to another, as long as no pause is longer than half an hour."""
    middle, minute = us_of("2026-03-08"), HOUR // 60
    ends = [(us_of("2026-03-07"), 3), (middle, pause), (middle + DAY, 0)]
    rows = [
        Event(who, midnight + at * minute, "a")
        for midnight, after in ends
        for who, at in (("a1", -pause + after), ("u1", after), ("u2", 600))
    ]
    project = place.tell([Event("u1", middle - 9 * DAY, "linked", anonymous_id="a1"), *rows])
    place.compact(project)
    bounds = {"from": clock.iso(clock.from_us(middle - DAY - HOUR)), "to": clock.iso(clock.from_us(middle + 2 * DAY))}
    found = place.ask(Lens("sessions"), project, bounds)
    together = pause <= 30
    assert found["count"] == 3 + (3 if together else 6)
    assert found["average_seconds"] * found["count"] == pytest.approx(180 * pause if together else 0)
    users = place.ask(Lens("users"), project, bounds)["sessions"]
    assert (users["count"], users["average_seconds"]) == (found["count"], pytest.approx(found["average_seconds"]))
    overview = place.ask(Lens("dashboard"), project, {**bounds, "compare": "none"})["sessions"]
    assert overview["count"] == found["count"]


def test_only_what_is_new_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that the range holds wholly are read once, however far it reaches beyond them."""
    middle = us_of("2026-03-08")
    project = place.tell(
        [Event("u1", middle + hour * HOUR, "a") for day in range(4) for hour in (24 * day + 1, 24 * day + 3)]
    )
    place.compact(project)
    read: list[int] = []
    scanned = partials.scanned

    def noted(look: Any, tally: Any, texts: Any, some: Any) -> Any:
        read.append(len(some))
        return scanned(look, tally, texts, some)

    monkeypatch.setattr(partials, "scanned", noted)

    def people(start: int, end: int) -> int:
        """How many sources were read."""
        read.clear()
        place.forget()
        bounds = {"from": clock.iso(clock.from_us(middle + start)), "to": clock.iso(clock.from_us(middle + end))}
        place.ask(Lens("trends"), project, {**bounds, "aggregate": "unique"})
        return sum(read)

    assert people(0, 2 * DAY) == 2
    assert people(0, 2 * DAY) == 0
    assert people(0, 4 * DAY) == 2, "the other two files"
    assert people(-3 * DAY, 9 * DAY) == 0
    assert people(5 * HOUR, 4 * DAY) == 0, "the first file is not in it"
    assert people(2 * HOUR, 4 * DAY) == 1, "the first file is cut"
    place.append(project, [Event("u2", middle + HOUR, "a")])
    assert people(0, 4 * DAY) == 1, "fresh rows"
    place.compact(project)
    assert people(0, 4 * DAY) == 1, "a new file"


def test_what_is_not_listed_any_more_is_not_kept(place: Place) -> None:
    middle = us_of("2026-03-08")
    project = place.tell([Event(f"u{number % 9}", middle + number * HOUR, "a") for number in range(40)])
    place.compact(project)
    kept = warehouse_of(place.runtime).partials

    def parts() -> set[object]:
        bounds = {"from": clock.iso(clock.from_us(middle)), "to": clock.iso(clock.from_us(middle + 4 * DAY))}
        place.forget()
        place.ask(Lens("trends"), project, {**bounds, "aggregate": "unique"})
        return kept.keys(project.id)

    before = parts()
    assert before
    erase(place.runtime, "u1", project.id)
    assert not parts() & before


def test_what_is_too_large_is_asked_as_it_stands(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    middle = us_of("2026-03-08")
    project = place.tell([Event(f"u{number % 9}", middle + number * HOUR, "a") for number in range(40)])
    place.compact(project)
    bounds = {"from": clock.iso(clock.from_us(middle)), "to": clock.iso(clock.from_us(middle + 4 * DAY))}

    def people() -> Any:
        place.forget()
        warehouse_of(place.runtime).partials.clear()
        return place.ask(Lens("trends"), project, {**bounds, "aggregate": "unique"})["series"]

    right = people()
    for bound in ("quadra.warehouse.query.partials.ONE_MOST", "quadra.warehouse.query.texts.TEXTS_MOST"):
        with monkeypatch.context() as patched:
            patched.setattr(bound, 5)
            assert people() == right
            assert warehouse_of(place.runtime).partials.size == 0


def test_files_with_fewer_columns_are_told_apart_from_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read beside those that have every column, in another order than they are listed in."""
    middle = us_of("2026-03-08")
    project = place.tell([Event(f"u{who}", middle + day * DAY, "a") for day in range(5) for who in range(day + 1)])
    place.compact(project)
    monkeypatch.setattr(Columns, "split", lambda _self, _cursor, paths: (list(paths[1::2]), list(paths[::2])))
    bounds = {"from": clock.iso(clock.from_us(middle)), "to": clock.iso(clock.from_us(middle + 5 * DAY))}
    (people,) = place.ask(Lens("trends"), project, {**bounds, "aggregate": "unique"})["series"]
    assert [point["value"] for point in people["points"]] == [1, 2, 3, 4, 5]
