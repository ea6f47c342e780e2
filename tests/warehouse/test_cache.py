"""An answer that was kept is the one that asking again gives, whatever happened to the events in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.warehouse.query import cache
from quadra.warehouse.query.cache import AnswerCache
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.people import says_person
from tests.warehouse.conftest import DAY_US, compact_all, erase, event, installation, store

ASKED = (
    "SELECT count(*), min(event_id), max(event_id), sum(value) FROM events",
    "SELECT person, count(*), sum(value) FROM events GROUP BY person ORDER BY person",
)
WHO = ("u-1", "u-2", "a-1", "a-2")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    directory = tmp_path_factory.mktemp("kept")
    with installation(f"sqlite:///{directory / 'quadra.db'}", directory) as found:
        yield found


def answers(runtime: Runtime, project_id: int, start_us: int | None, *, kept: bool) -> list[Any]:
    found = []
    with warehouse_of(runtime).look(project_id, start_us=start_us) as look:
        for sql in ASKED:

            def ask(sql: str = sql) -> Any:
                return look.query(sql).table

            table = warehouse_of(runtime).answers.of(look, says_person(sql), (sql,), ask, len) if kept else ask()
            found.append(table.to_pylist())
    return found


events = st.tuples(st.sampled_from(WHO), st.sampled_from([None, *WHO[2:]]), st.integers(0, 3))
happenings = st.one_of(
    st.tuples(st.just("come"), st.lists(events, min_size=1, max_size=3)),
    st.tuples(st.just("are sealed"), st.lists(events, min_size=1, max_size=3)),
    st.tuples(st.just("are compacted"), st.none()),
    st.tuples(st.just("are erased"), st.sampled_from(WHO)),
)


def test_what_was_kept_is_what_asking_again_gives(warehouse: Runtime) -> None:
    """Late events, joins of people, erasures of fresh and of compacted rows, compaction, two ranges."""

    @settings(max_examples=12, deadline=None)
    @given(story=st.lists(happenings, min_size=2, max_size=6))
    def check(story: list[tuple[str, Any]]) -> None:
        with warehouse.database.begin() as session:
            project = create_project(session, name=f"Kept {next(_numbers)}").id
        recent = clock.now_us() - 2 * DAY_US
        for what, given_ in story:
            if what == "are compacted":
                compact_all(warehouse, project)
            elif what == "are erased":
                erase(warehouse, given_, project)
            else:
                rows = [
                    event(
                        next(_numbers),
                        project_id=project,
                        user_id=who,
                        anonymous_id=other,
                        days_ago=days,
                        event_type="a",
                    )
                    for who, other, days in given_
                ]
                store(warehouse, rows, seal=what == "are sealed")
            for start_us in (None, recent):
                right = answers(warehouse, project, start_us, kept=False)
                assert answers(warehouse, project, start_us, kept=True) == right
                assert answers(warehouse, project, start_us, kept=True) == right

    check()


def test_an_open_batch_that_lost_a_row_and_got_another_one_is_another_one(warehouse: Runtime) -> None:
    with warehouse.database.begin() as session:
        project = create_project(session, name="Lost and got").id
    log = Log(warehouse.database, writer="one", batch_max_events=100)
    rows = [event(number, project_id=project, user_id=f"u-{number}") for number in (1, 2, 3)]
    log.append(rows[:2])
    answers(warehouse, project, None, kept=True)
    erase(warehouse, "u-1", project)
    log.append(rows[2:])
    with warehouse.database.read() as session:
        counts = session.scalars(sa.select(Batch.event_count).where(Batch.project_id == project)).all()
    assert counts == [2], "the same batch has as many rows as before"
    assert answers(warehouse, project, None, kept=True) == answers(warehouse, project, None, kept=False)


def test_who_was_erased_from_the_files_is_in_no_answer(warehouse: Runtime) -> None:
    with warehouse.database.begin() as session:
        project = create_project(session, name="Erased").id
    store(warehouse, [event(number, project_id=project, user_id=f"u-{number}") for number in (1, 2)])
    compact_all(warehouse, project)
    assert [row["person"] for row in answers(warehouse, project, None, kept=True)[1]] == ["u-1", "u-2"]
    erase(warehouse, "u-1", project)
    assert [row["person"] for row in answers(warehouse, project, None, kept=True)[1]] == ["u-2"]


def test_who_is_one_person_is_learnt_from_what_is_outside_of_the_range_too(warehouse: Runtime) -> None:
    with warehouse.database.begin() as session:
        project = create_project(session, name="Joined").id
    recent = clock.now_us() - 2 * DAY_US
    store(warehouse, [event(1, project_id=project, user_id="a-1", anonymous_id="a-1")])
    assert answers(warehouse, project, recent, kept=True)[1][0]["person"] == "a-1"
    store(warehouse, [event(2, project_id=project, user_id="u-1", anonymous_id="a-1", days_ago=5)], writer="late")
    assert answers(warehouse, project, recent, kept=True)[1][0]["person"] == "u-1"


def test_an_answer_is_made_once_until_events_of_its_range_change(warehouse: Runtime) -> None:
    made = []

    def ask(start_us: int) -> None:
        with warehouse_of(warehouse).look(1, start_us=start_us) as look:
            warehouse_of(warehouse).answers.of(look, True, ("made",), lambda: made.append(start_us), lambda _made: 1)

    old, recent = clock.now_us() - 9 * DAY_US, clock.now_us() - 2 * DAY_US
    store(warehouse, [event(number, days_ago=1) for number in range(9)])
    for start_us in (old, recent, old, recent):
        ask(start_us)
    assert made == [old, recent]
    store(warehouse, [event(100, days_ago=5)], writer="late")
    ask(recent)
    ask(old)
    assert made == [old, recent, old], "an event outside of the range leaves its answers alone"
    compact_all(warehouse)
    ask(recent)
    ask(recent)
    assert made == [old, recent, old, recent]


def test_who_asks_the_same_at_the_same_time_waits_for_the_first(warehouse: Runtime) -> None:
    begun, go, made = threading.Event(), threading.Event(), []

    def make() -> str:
        made.append(1)
        begun.set()
        assert go.wait(60)
        return "answer"

    found: list[str] = []

    def ask() -> None:
        with warehouse_of(warehouse).look(2) as look:
            found.append(warehouse_of(warehouse).answers.of(look, False, ("at once",), make, len))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    assert begun.wait(90)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(90)
    assert (found, made) == (["answer"] * 3, [1])


def test_a_question_that_failed_is_asked_again(warehouse: Runtime) -> None:
    def fail() -> str:
        raise Unavailable("too slow")

    with warehouse_of(warehouse).look(2) as look:
        kept = warehouse_of(warehouse).answers
        with pytest.raises(Unavailable):
            kept.of(look, False, ("fails",), fail, len)
        assert kept.of(look, False, ("fails",), lambda: "answer", len) == "answer"


def test_what_is_kept_is_bounded_and_goes_when_nobody_asks(warehouse: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BYTES_MOST", 100)
    monkeypatch.setattr(cache, "ONE_MOST", 60)
    kept, made = AnswerCache(), []

    def ask(name: str, size: int) -> None:
        with warehouse_of(warehouse).look(2) as look:
            kept.of(look, False, (name,), lambda: made.append(name), lambda _made: size)

    for name, size in (("a", 50), ("b", 50), ("a", 50), ("c", 50), ("a", 50), ("large", 61), ("large", 61), ("b", 50)):
        ask(name, size)
    assert made == ["a", "b", "c", "large", "large", "b"], "the one that was not asked for longest goes first"
    assert kept.size == 100
    monkeypatch.setattr(cache, "UNUSED_SECONDS", 0.0)
    ask("d", 10)
    assert kept.size == 0
