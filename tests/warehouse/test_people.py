"""Which ids are one person: the rules of docs/warehouse.md, one by one."""

from __future__ import annotations

import random
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.warehouse.query import file_links
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.query.links import cut_circles, root
from quadra.warehouse.query.people import People
from quadra.warehouse.query.warming import warm
from quadra.warehouse.segments.merging import find_days, merge_some
from tests.waiting import eventually
from tests.warehouse.conftest import ask, compact_all, event, store
from tests.warehouse.test_erasing import erase

AT = clock.now_us() - 10 * 86_400_000_000


def seen(number: int, second: int, user: str | None = None, anon: str | None = None, **fields: Any) -> Any:
    at = AT + second * 1_000_000
    return event(number, user_id=user or anon, anonymous_id=anon, occurred_at=at, **fields)


def people(runtime: Runtime, start_us: int | None = None) -> dict[str, str | None]:
    return dict(query(runtime, 1, "SELECT event_id, person FROM events", start_us=start_us).rows)


def test_anonymous_rows_belong_to_the_user_whom_the_visitor_became(any_runtime: Runtime) -> None:
    store(any_runtime, [seen(1, 0, anon="a"), seen(2, 5, "u", "a"), seen(3, 9, anon="a"), seen(4, 9, anon="b")])
    expected = {"e-1": "u", "e-2": "u", "e-3": "u", "e-4": "b"}
    assert people(any_runtime) == expected
    compact_all(any_runtime)
    assert people(any_runtime) == expected


def test_a_link_outside_of_the_range_counts(runtime: Runtime) -> None:
    store(runtime, [seen(1, 0, anon="a"), seen(2, 86_400 * 3, "u", "a")])
    compact_all(runtime)
    store(runtime, [seen(3, 1, anon="b"), seen(4, 86_400 * 4, "v", "b")])
    found = "SELECT person FROM events WHERE occurred_us < $end ORDER BY 1"
    assert ask(runtime, found, end=AT + 86_400_000_000) == [("u",), ("v",)]


def test_a_shared_device_belongs_to_its_first_user_and_the_second_keeps_their_own_rows(runtime: Runtime) -> None:
    store(runtime, [seen(2, 5, "second", "a"), seen(1, 1, "first", "a"), seen(3, 9, anon="a")])
    assert people(runtime) == {"e-1": "first", "e-2": "second", "e-3": "first"}


def test_at_the_same_microsecond_the_smaller_id_is_led_to(runtime: Runtime) -> None:
    store(runtime, [seen(1, 1, "z", "a"), seen(2, 1, "b", "a"), seen(3, 0, anon="a")])
    assert people(runtime)["e-3"] == "b"


@pytest.mark.parametrize(
    ("event_type", "properties"),
    [
        ("alias", {"previousId": "old"}),
        ("alias", {"previous_id": "old"}),
        ("$create_alias", {"alias": "old"}),
        ("$merge_dangerously", {"alias": "old"}),
    ],
)
def test_an_alias_joins_two_ids(runtime: Runtime, event_type: str, properties: dict[str, str]) -> None:
    store(runtime, [seen(1, 0, "old"), seen(2, 1, "new", event_type=event_type, properties=properties)])
    for _ in ("fresh", "compacted"):
        assert people(runtime) == {"e-1": "new", "e-2": "new"}
        compact_all(runtime)


@pytest.mark.parametrize(
    "nobody",
    [
        "undefined",
        "NULL",
        " None ",
        "[object Object]",
        "NaN",
        "0",
        "-1",
        "true",
        "guest",
        '"null"',
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_placeholders_join_nobody(runtime: Runtime, nobody: str) -> None:
    told = [seen(1, 0, anon="a"), seen(2, 1, nobody, "a"), seen(3, 2, anon="b"), seen(4, 3, nobody, "b")]
    told += [seen(5, 4, "u", nobody), seen(6, 5, "v", nobody), seen(7, 6, anon=nobody)]
    told += [seen(8, 7, "w", event_type="alias", properties={"previousId": nobody})]
    store(runtime, told)
    for _ in ("fresh", "compacted"):
        assert [people(runtime)[f"e-{number}"] for number in range(1, 9)] == [
            *("a", nobody, "b", nobody, "u", "v", nobody, "w")
        ]
        compact_all(runtime)


def test_a_chain_is_followed_to_its_end(runtime: Runtime) -> None:
    alias = {"event_type": "alias", "properties": {"previousId": "mid"}}
    store(runtime, [seen(1, 0, anon="a"), seen(2, 1, "mid", "a"), seen(3, 2, "end", **alias)])
    assert set(people(runtime).values()) == {"end"}


def test_the_newest_link_of_a_circle_is_left_out(runtime: Runtime) -> None:
    store(
        runtime,
        [
            seen(1, 1, "b", event_type="alias", properties={"previousId": "a"}),
            seen(2, 2, "a", event_type="alias", properties={"previousId": "b"}),
        ],
    )
    assert people(runtime) == {"e-1": "b", "e-2": "b"}


def test_rows_of_nobody_have_no_person(runtime: Runtime) -> None:
    store(runtime, [seen(1, 0), seen(2, 0, "u", "a")])
    assert people(runtime) == {"e-1": None, "e-2": "u"}


def test_the_order_of_arrival_and_compaction_change_nothing(sqlite_runtime: Runtime) -> None:
    chance = random.Random(7)
    rows = [
        seen(number, chance.randrange(20), chance.choice(["u", "v", "w", None]), chance.choice(["a", "b", "c", None]))
        for number in range(60)
    ] + [
        seen(60 + number, chance.randrange(20), chance.choice("uvw"), event_type="alias",
             properties={"previousId": chance.choice("uvwabc")})
        for number in range(6)
    ]  # fmt: skip
    store(sqlite_runtime, rows, per_batch=1000)
    fresh = people(sqlite_runtime)
    compact_all(sqlite_runtime)
    assert people(sqlite_runtime) == fresh
    again = [
        row.__class__(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "project_id": 2})
        for row in rows
    ]
    chance.shuffle(again)
    for at in range(0, 66, 11):
        store(sqlite_runtime, again[at : at + 11])
        if at % 2:
            compact_all(sqlite_runtime, 2)
    assert dict(_of(sqlite_runtime, 2)) == fresh


def _of(runtime: Runtime, project_id: int) -> list[tuple[Any, ...]]:
    return query(runtime, project_id, "SELECT event_id, person FROM events").rows


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 3), st.sampled_from("abcdefgh"))))
def test_without_circles_every_chain_ends(links: dict[str, tuple[int, str]]) -> None:
    parents = {one: link for one, link in links.items() if link[1] != one}
    before = dict(parents)
    cut_circles(parents)
    for one in before:
        assert root(one, parents) not in parents
    for one in before.keys() - parents.keys():  # only what lay on a circle was cut
        at = before[one][1]
        for _ in before:
            at = before[at][1] if at in before and at != one else at
        assert at == one


def expected(rows: list[Any]) -> dict[str, str | None]:
    """The rules once more, slowly."""
    links: dict[str, tuple[int, str]] = {}
    for row in rows:
        old = row.anonymous_id
        if row.event_type == "alias":
            pairs = [(old, row.user_id), (msgspec.json.decode(row.properties)["previousId"], row.user_id)]
        else:
            pairs = [(old, row.user_id)]
        for one, leads_to in pairs:
            if one and leads_to and one != leads_to:
                links[one] = min(links.get(one, (2**63, "")), (row.occurred_at, leads_to))
    for circle in {frozenset(walk_from(one, links)) for one in links if one in walk_from(one, links)}:
        del links[max(circle, key=lambda one: (links[one][0], one))]
    return {row.event_id: row.user_id and [row.user_id, *walk_from(row.user_id, links)][-1] for row in rows}


def walk_from(one: str, links: dict[str, tuple[int, str]]) -> list[str]:
    """The ids that it leads to, step by step, each once."""
    walked: list[str] = []
    while one in links and links[one][1] not in walked:
        one = links[one][1]
        walked.append(one)
    return walked


@pytest.mark.parametrize("seed", range(3))
def test_questions_between_compactions_follow_every_change_of_names(
    sqlite_runtime: Runtime, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        file_links, "RECENT_US", 40_000 * 1_000_000
    )  # half a day: then files of the three days are both
    chance = random.Random(seed)
    there: list[Any] = []
    for number in range(40):
        alias = {"event_type": "alias", "properties": {"previousId": chance.choice("uvwabc")}}
        row = seen(
            number,
            chance.randrange(200_000),  # three days
            chance.choice(["u", "v", "w", None]),
            chance.choice(["a", "b", "c", None]),
        )
        if chance.random() < 0.1:
            row = seen(number, chance.randrange(200_000), chance.choice("uvw"), **alias)
        there.append(row)
        store(sqlite_runtime, [row], seal=chance.random() < 0.7)
        what = chance.random()
        if what < 0.2:
            compact_all(sqlite_runtime)
        elif what < 0.3:
            with sqlite_runtime.database.read() as session:
                days = find_days(session, rows_most=1_000)
            for project_id, day in days:
                merge_some(sqlite_runtime, project_id, day)
        if chance.random() < 0.6:
            assert people(sqlite_runtime) == expected(there)
        if chance.random() < 0.6:  # other files come to be compared with the names than were the last time
            start_us = AT + chance.randrange(200_000) * 1_000_000
            later = {row.event_id for row in there if row.occurred_at >= start_us}
            assert people(sqlite_runtime, start_us) == {
                name: of for name, of in expected(there).items() if name in later
            }
    if seed % 2:  # a link that is erased holds no more
        erase(sqlite_runtime, "v")
        left = [row for row in there if row.event_id in people(sqlite_runtime)]
        assert people(sqlite_runtime) == expected(left)


def test_only_names_that_changed_in_files_are_joined_to_them(sqlite_runtime: Runtime) -> None:
    """Visitors come all the time, and are in no file when they say who they are."""

    def stale_identities() -> list[tuple[str, str]]:
        with warehouse_of(sqlite_runtime).look(1) as look:
            return sorted((row["id"], row["person"]) for row in look.known.stale_identities.to_pylist())

    store(sqlite_runtime, [seen(1, 0, anon="a"), seen(2, 1, anon="b")])
    compact_all(sqlite_runtime)
    assert stale_identities() == []
    store(sqlite_runtime, [seen(3, 2, anon="c"), seen(4, 3, "w", "c"), seen(5, 4, "u", "a")])
    assert stale_identities() == [("a", "u")]
    assert people(sqlite_runtime) == {"e-1": "u", "e-2": "b", "e-3": "w", "e-4": "w", "e-5": "u"}
    compact_all(sqlite_runtime)
    store(sqlite_runtime, [seen(6, -5, "x", "c")])  # an earlier link, and now the visitor is in a file
    assert stale_identities() == [("a", "u"), ("c", "x")]
    assert people(sqlite_runtime)["e-3"] == "x"


@pytest.mark.parametrize("recent_us", [file_links.DAY_US * 9, -1], ids=["recent", "of a month that is over"])
def test_links_that_are_read_together_stay_with_their_files(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch, recent_us: int
) -> None:
    """A file that goes takes its own links along, and no others."""
    monkeypatch.setattr(file_links, "FILES_AT_ONCE", 2)
    monkeypatch.setattr(file_links, "RECENT_US", recent_us)
    for day in range(3):
        store(sqlite_runtime, [seen(day, day * 86_400, f"user-{day}", f"visitor-{day}")])
        compact_all(sqlite_runtime)
    expected = [(f"visitor-{day}", f"user-{day}") for day in range(3)]
    known = People()  # compactions have read them one by one
    with warehouse_of(sqlite_runtime).look(1) as look:
        files = sorted(look.files(), key=lambda pair: pair[0].min_occurred_us)
        for left in (files, files[1:], files[:1], files[:2], files):
            found = sorted(tuple(row.values()) for row in known.of(look.cursor, 1, left, look.fresh).people.to_pylist())
            assert found == [expected[files.index(pair)] for pair in left]


def test_a_question_compares_the_names_in_its_own_files_alone(sqlite_runtime: Runtime) -> None:
    """Else a question about a day, after each new name, reads a year."""
    for day in range(3):
        store(sqlite_runtime, [seen(day, day * 86_400, f"user-{day}", f"visitor-{day}")])
        compact_all(sqlite_runtime)
    project = warehouse_of(sqlite_runtime).people._project(1)
    project.checked.clear()
    since = AT + 2 * 86_400 * 1_000_000
    people(sqlite_runtime, since)
    assert len(project.checked) == 1
    people(sqlite_runtime)
    assert len(project.checked) == 3
    store(sqlite_runtime, [seen(9, 200_000, "somebody", "user-0")])
    people(sqlite_runtime, since)
    assert len(project.checked) == 1
    assert people(sqlite_runtime)["e-0"] == "somebody"


def test_who_comes_every_day_is_kept_once_a_month(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a year of the same people takes the memory of 365 times as many."""
    monkeypatch.setattr(file_links, "FILES_AT_ONCE", 1)
    monkeypatch.setattr(file_links, "RECENT_US", -1)
    for day in range(3):
        store(sqlite_runtime, [seen(day, day * 86_400, "u", "a"), seen(9 + day, day * 86_400, f"user-{day}", "b")])
        compact_all(sqlite_runtime)
    with warehouse_of(sqlite_runtime).look(1) as look:
        files = look.files()
        links = [row for table in file_links.FileLinks().of(look.cursor, files) for row in table.to_pylist()]
    assert len(files) == 3
    assert {(row["id"], row["leads_to"]) for row in links} == {("a", "u"), *(("b", f"user-{day}") for day in range(3))}
    months = len({clock.from_us(AT + day * file_links.DAY_US).month for day in range(3)})
    assert len(links) == 3 + months
    assert min(row["first_us"] for row in links if row["id"] == "a") == AT


def test_who_is_who_is_found_out_when_a_page_is_opened(runtime: Runtime) -> None:
    store(runtime, [seen(1, 0, "u", "a")])
    compact_all(runtime)
    warm(runtime, 1)
    eventually(lambda: warehouse_of(runtime).people._project(1).checked)
    eventually(lambda: "warming" not in [thread.name for thread in threading.enumerate()])
    warm(runtime, 1)
    assert "warming" not in [thread.name for thread in threading.enumerate()], "once is enough"
