"""Visits counted in columns are those that the statement counts, whatever is filtered, tied or read in parts.

That the statement is right, `test_visits` compares with the reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from quadra.analytics.lenses import visits
from quadra.analytics.questions import timeline
from quadra.analytics.questions.snapshot import snapshot
from quadra.analytics.visits import columns
from quadra.analytics.visits.counted import by_statement
from quadra.analytics.visits.counting import count
from quadra.core.api.raw_params import raw_params
from tests.analytics.conftest import Place
from tests.analytics.histories import HOUR, LINKS
from tests.analytics.reference import Event, us_of
from tests.analytics.test_visits import GOALS, keep, one

MIDDLE = us_of("2026-03-08 05:00")
MANY: dict[str, Any] = {
    "max_examples": 10,
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
BY_ENDS = ("entry_page", "exit_page", "channel", "referrer")
BY_EVENTS = (None, "page", "hostname", "title", "country", "language")
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"where[channel]": "Direct"},
    {"where[page]": "/a"},
    {"where[hostname][not_set]": "true", "where[country]": "DE"},
    {"where[entry_page][contains]": "a", "where[page][is_not]": "/a/b"},
    {"where[title]": "T", "where[language][set]": "true"},
    {"where[referrer]": "(direct)", "where[n][gt]": "3"},
)
SORTS = ("visitors", "visits", "page_views", "bounce_rate", "avg_duration_seconds")


@st.composite
def crowded(draw: st.DrawFn) -> list[Event]:
    """A few people whose events meet at few instants."""
    found = []
    for number, event in enumerate(draw(st.lists(one(MIDDLE), min_size=20, max_size=40))):
        title = draw(st.sampled_from([None, "T", "U"]))
        fields = {**event.fields, "event_id": f"e{draw(st.integers(0, 9))}-{number}"}
        if event.kind == "page" and title:
            fields["page_title"] = title
        who = draw(st.sampled_from(["u1", "a1", "u2"]))
        found.append(replace(event, id=who, us=MIDDLE + draw(st.integers(-3, 3)) * HOUR // 3, fields=fields))
    links = [
        Event(who, MIDDLE - 999 * HOUR, "linked", anonymous_id=other, fields={"event_id": f"l{number}"})
        for number, (who, other) in enumerate(LINKS)
    ]
    return [*links, *found]


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value or 0


def test_columns_count_what_the_statement_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(**MANY)
    @given(
        events=crowded(),
        chosen=st.sampled_from(FILTERS),
        goal=st.sampled_from([None, *GOALS]),
        by=st.tuples(st.sampled_from(BY_ENDS), st.sampled_from(BY_EVENTS), st.sampled_from(["country", "language"])),
        interval=st.sampled_from(["hour", "day", "whole"]),
        sort=st.sampled_from(SORTS),
        rows_at_once=st.sampled_from([8, 1_000]),
    )
    def check(
        events: list[Event],
        chosen: dict[str, str],
        goal: Any,
        by: tuple[str | None, ...],
        interval: str,
        sort: str,
        rows_at_once: int,
    ) -> None:
        monkeypatch.setattr(timeline, "ROWS_AT_ONCE", rows_at_once)
        half = len(events) // 2
        project = place.tell(events[:half], "America/New_York")
        place.compact(project)
        place.append(project, events[half:])
        given_ = {"from": "2026-03-07", "to": "2026-03-09", "interval": interval, "sort": sort, "limit": "3", **chosen}
        if goal is not None:
            given_["goal"] = keep(place, project, goal)
        asked = []
        for each in by:
            more = {"by": each} if each else {}
            one_asked = visits.LENS.read(raw_params([*given_.items(), *more.items()]), project)
            asked.append(visits.LENS.loaded(place.runtime, one_asked))
        question = asked[0].question
        wanted = [visits.visits_of(one_of_them, question, one_of_them.by) for one_of_them in asked]
        with snapshot(place.runtime, question, question.range) as look:
            right = [by_statement(look, *each) for each in wanted]
            found = count(look, wanted)
        assert found is not None
        assert rounded(to_builtins(found)) == rounded(to_builtins(right))

    check()


def test_the_next_page_of_rows_begins_behind_the_last_one(place: Place) -> None:
    at = us_of("2026-03-03 10:00")
    views = [
        Event(f"u{number % 7}", at + number, "page_view", kind="page", fields={"page_url": f"/{number % 5}"})
        for number in range(40)
    ]
    project, seen, cursor = place.tell(views), [], None
    while True:
        found = place.ask(visits, project, by="page", sort="page_views", limit=2, cursor=cursor)
        seen += [row["value"] for row in found["rows"]]
        assert found["total_rows"] == 5
        if (cursor := found["cursor"]) is None:
            break
    assert seen == ["/0", "/1", "/2", "/3", "/4"]


def test_beyond_a_bound_the_statement_says_it_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    at = us_of("2026-03-03 10:00")
    project = place.tell(
        [
            Event("u", at, "page_view", kind="page", fields={"page_url": f"/{page}", "event_id": f"{page}-tied"})
            for page in "ab"
        ]
    )
    right = place.ask(visits, project, by="entry_page")["rows"]
    for bound in ("ORIGINS_MOST", "TIED_MOST"):
        place.forget()
        monkeypatch.setattr(columns, bound, 0)
        assert place.ask(visits, project, by="entry_page")["rows"] == right
        monkeypatch.undo()
