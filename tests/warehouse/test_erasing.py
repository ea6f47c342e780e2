"""A person's rows go: from the event table, from segments, in every state a batch can be in; and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.core.runtime import Runtime
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure.erase_list import Entry, path_of, read, remember, replay
from quadra.warehouse.erasure.erasing import erase_person
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import sweeping
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.hot_rows import evict_some
from quadra.warehouse.segments.soundness import SegmentDamaged
from quadra.warehouse.segments.verifying import live_segments, verify
from quadra.warehouse.tables import Erasure
from tests.warehouse.conftest import age, ask, compact_all, event, installation, numbers, scalar, store
from tests.warehouse.test_lifecycle import flip


def erase(runtime: Runtime, user_id: str, project_id: int = 1) -> Erasure:
    with runtime.database.begin() as session:
        erasure, _job = request_erasure(session, project_id, user_id, max_attempts=5)
    while work(runtime):
        pass
    with runtime.database.read() as session:
        return session.get_one(Erasure, erasure.id)


def work(runtime: Runtime) -> bool:
    """Do one erasure that waits."""
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=[ERASE], limit=1, length=timedelta(minutes=1))
    for job in jobs:
        erase_person(runtime, Lease(job, timedelta(minutes=1)))
    return bool(jobs)


def fill(runtime: Runtime) -> list[int]:
    """100 events, ten of each user, in every state that a batch can be in; the numbers of those that are not u-3's."""
    store(runtime, [event(number, days_ago=number % 3) for number in range(40)], per_batch=10)
    compact_all(runtime)
    age(runtime)
    evict_some(runtime, 1)  # cold: in segments only
    store(runtime, [event(number, days_ago=number % 2) for number in range(40, 60)], per_batch=10)
    compact_all(runtime)  # in segments and in the event table
    store(runtime, [event(number) for number in range(60, 90)], per_batch=10)  # sealed
    store(runtime, [event(number) for number in range(90, 100)], seal=False)  # open
    assert numbers(runtime) == list(range(100))
    return [number for number in range(100) if number % 10 != 3]


def test_all_rows_of_a_user_go_and_no_others(any_runtime: Runtime) -> None:
    others = fill(any_runtime)
    erasure = erase(any_runtime, "u-3")
    assert numbers(any_runtime) == others
    assert scalar(any_runtime, "SELECT count(*) FROM event WHERE user_id = 'u-3'") == 0
    assert erasure.done_at is not None
    assert erasure.rows == 10
    assert verify(any_runtime) == []
    compact_all(any_runtime)
    assert numbers(any_runtime) == others


def test_no_file_holds_the_user_after_the_sweep(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number, user_id=f"somebody-{number % 10}") for number in range(100)])
    compact_all(sqlite_runtime)
    erase(sqlite_runtime, "somebody-3")
    sweeping.sweep(sqlite_runtime)
    root = warehouse_of(sqlite_runtime).store.local(".")
    for path in root.rglob("*.parquet"):
        assert b"somebody-3" not in path.read_bytes()
    assert len(numbers(sqlite_runtime)) == 90


def test_a_segment_of_this_user_alone_goes_as_a_whole(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(1), event(2, days_ago=1), event(3, days_ago=1)])
    compact_all(sqlite_runtime)
    erase(sqlite_runtime, "u-1")
    assert numbers(sqlite_runtime) == [2, 3]
    with sqlite_runtime.database.read() as session:
        assert len(live_segments(session)) == 1


def test_every_id_of_the_person_goes(runtime: Runtime) -> None:
    rows = [
        event(1, user_id="a", anonymous_id="a"),
        event(2, user_id="u", anonymous_id="a"),
        event(3, user_id="old"),
        event(4, user_id="u", event_type="alias", properties={"previousId": "old"}),
        event(5, user_id="second", anonymous_id="a", occurred_at=clock.now_us()),
        event(6, user_id=None),
    ]
    store(runtime, [*rows[:3], rows[5]])
    compact_all(runtime)
    store(runtime, rows[3:5])
    erasure = erase(runtime, "old")  # whichever of them is named
    assert sorted(erasure.ids) == ["a", "old", "u"]
    assert numbers(runtime) == [5, 6]


def test_what_is_received_after_the_request_is_new(runtime: Runtime) -> None:
    store(runtime, [event(1)])
    with runtime.database.begin() as session:
        request_erasure(session, 1, "u-1", max_attempts=5)
    store(runtime, [event(11)])
    compact_all(runtime)
    store(runtime, [event(21)])
    work(runtime)
    assert numbers(runtime) == [11, 21]
    assert scalar(runtime, "SELECT count(*) FROM event") == 2


def test_another_project_keeps_its_user(runtime: Runtime) -> None:
    store(runtime, [event(1), event(1, project_id=2)])
    compact_all(runtime, 2)
    erase(runtime, "u-1")
    assert (numbers(runtime, 1), numbers(runtime, 2)) == ([], [1])


def test_a_compaction_that_had_read_the_rows_does_not_bring_them_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(runtime, [event(number) for number in range(20)])
    real = compact_some.__globals__["_write"]

    def erase_meanwhile(*arguments: object) -> None:
        monkeypatch.undo()
        real(*arguments)
        erase(runtime, "u-3")

    monkeypatch.setitem(compact_some.__globals__, "_write", erase_meanwhile)
    with pytest.raises(Exception, match="changed since it was read"):
        compact_some(runtime, 1)
    compact_all(runtime)
    assert numbers(runtime) == [number for number in range(20) if number % 10 != 3]


def test_a_question_asked_before_does_not_remember_the_rows(runtime: Runtime) -> None:
    store(runtime, [event(number) for number in range(20)])
    assert len(numbers(runtime)) == 20
    erase(runtime, "u-3")
    assert ask(runtime, "SELECT count(*) FROM events WHERE user_id = 'u-3'") == [(0,)]


def test_damage_stops_an_erasure_and_is_named_and_it_goes_on_once_the_file_is_whole(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number) for number in range(20)])
    compact_all(sqlite_runtime)
    with sqlite_runtime.database.read() as session:
        (segment,) = live_segments(session)
    flip(sqlite_runtime, segment, 2)
    with sqlite_runtime.database.begin() as session:
        request_erasure(session, 1, "u-3", max_attempts=5)
    with pytest.raises(SegmentDamaged, match=segment.path):
        work(sqlite_runtime)
    flip(sqlite_runtime, segment, 2)  # it is whole again
    erase(sqlite_runtime, "u-3")
    assert numbers(sqlite_runtime) == [number for number in range(20) if number % 10 != 3]


def test_the_list_outlives_the_database_and_is_replayed(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'one.db'}", tmp_path) as runtime:
        store(runtime, [event(number) for number in range(20)])
        erase(runtime, "u-3")
        first = next(read(runtime.settings))
        assert (first.project, first.user_id) == ("shop", "u-3")
    # a database from before: it knows of no erasure, and its rows are there again
    with installation(f"sqlite:///{tmp_path / 'two.db'}", tmp_path) as runtime:
        before = first.requested_us - 1
        store(runtime, [event(number, received_at=before) for number in range(20)])
        store(runtime, [event(23)])
        for _ in range(2):
            with runtime.database.begin() as session:
                assert replay(session, runtime) == 1
            while work(runtime):
                pass
            assert numbers(runtime) == [number for number in (*range(20), 23) if number % 10 != 3 or number == 23]
        assert len(list(read(runtime.settings))) == 1


def test_a_line_that_a_crash_cut_off_spoils_no_other(sqlite_runtime: Runtime) -> None:
    settings = sqlite_runtime.settings
    entries = [Entry("shop", f"user\n{number}", number) for number in range(2)]
    remember(settings, warehouse_of(sqlite_runtime).store, entries[0])
    with path_of(settings).open("ab") as file:
        file.write(b'{"project": "shop", "us')
    remember(settings, warehouse_of(sqlite_runtime).store, entries[1])
    assert list(read(settings)) == entries


@pytest.mark.parametrize("user_id", ["", "x" * 201, "a\x00b"])
def test_what_can_be_no_user_is_refused(sqlite_runtime: Runtime, user_id: str) -> None:
    with sqlite_runtime.database.begin() as session, pytest.raises(Invalid):
        request_erasure(session, 1, user_id, max_attempts=5)


def test_the_log_of_who_did_what_does_not_name_the_user(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(3)])
    erase(sqlite_runtime, "u-3")
    with sqlite_runtime.database.read() as session:
        for table in ("audit_entry", "job"):
            rows = session.execute(sa.text(f"SELECT * FROM {table}")).all()
            assert "u-3" not in str(rows)
