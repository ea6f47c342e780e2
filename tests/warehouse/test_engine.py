"""The relation `events`: every acknowledged event once, with its columns, within the range asked."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.columns import NAMES, property_path
from quadra.warehouse.query.answer import Cancelled
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.query.snapshot import STATEMENT_MOST
from quadra.warehouse.segments import catalogue
from tests.waiting import eventually
from tests.warehouse.conftest import ask, compact_all, event, installation, numbers, store

LONG = "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"
EXACT_US = 1_700_000_000_123_457


def test_an_event_is_seen_in_an_open_a_sealed_and_a_compacted_batch(any_runtime: Runtime) -> None:
    store(any_runtime, [event(number) for number in range(5)])
    compact_all(any_runtime)
    store(any_runtime, [event(number) for number in range(5, 8)])
    store(any_runtime, [event(number) for number in range(8, 10)], seal=False)
    assert numbers(any_runtime) == list(range(10))


def test_every_column_is_the_same_before_and_after_compaction(any_runtime: Runtime) -> None:
    full = event(
        1,
        kind="ai",
        category="tools",
        user_id="ü-1",
        anonymous_id="anon",
        session_id="s",
        occurred_at=EXACT_US,
        page_url="https://shop.example/?q=ü",
        page_title='a "title"\nof two lines',
        referrer="https://search.example",
        device_type="desktop",
        browser="Firefox",
        os="Linux",
        duration_ms=0.1 + 0.2,
        value=1e300,
        success=False,
        bot=True,
        fields={"model": "m", "prompt_tokens": 2**53},
        properties={"a/b": "ü", "deep": {"list": [1, 2.5, None]}, "big": 12345678901234567890},
    )
    store(any_runtime, [full, event(2), event(3, success=True, duration_ms=1e-9, value=None)])
    every = f"SELECT {', '.join(NAMES)}, occurred_us, received_us, person FROM events ORDER BY event_id"
    before = query(any_runtime, 1, every)
    compact_all(any_runtime)
    after = query(any_runtime, 1, every)
    assert after.rows == before.rows
    assert [field.type for field in after.table.schema] == [field.type for field in before.table.schema]
    seen = dict(zip(before.columns, before.rows[0], strict=True))
    assert seen["occurred_us"] == EXACT_US
    assert seen["occurred_at"] == datetime.fromtimestamp(EXACT_US // 10**6, UTC).replace(microsecond=EXACT_US % 10**6)
    assert (seen["duration_ms"], seen["value"], seen["success"], seen["bot"]) == (0.1 + 0.2, 1e300, False, True)
    assert seen["page_title"] == 'a "title"\nof two lines'
    assert ask(any_runtime, "SELECT success, duration_ms, value FROM events WHERE event_id = 'e-3'") == [
        (True, 1e-9, None)
    ]


@pytest.mark.parametrize("key", ["plan", "a/b", "a~b", "a.b", 'a"b', "$x", "", "日本", "*"])
def test_a_property_of_any_name_is_reached_by_a_parameter(sqlite_runtime: Runtime, key: str) -> None:
    store(sqlite_runtime, [event(1, properties={key: "there", "other": "no"})])
    for _ in ("fresh", "compacted"):
        found = ask(
            sqlite_runtime, "SELECT json_extract_string(properties, $path) FROM events", path=property_path(key)
        )
        assert found == [("there",)]
        compact_all(sqlite_runtime)


def test_the_start_of_a_range_is_in_it_and_its_end_is_not(runtime: Runtime) -> None:
    at = clock.now_us() - 3 * 86_400_000_000
    rows = [event(number, occurred_at=at + number) for number in range(5)]
    store(runtime, rows)
    for _ in ("fresh", "compacted"):
        assert numbers(runtime, start_us=at + 1, end_us=at + 4) == [1, 2, 3]
        assert numbers(runtime, start_us=at + 5) == []
        assert numbers(runtime, end_us=at + 1) == [0]
        compact_all(runtime)


def test_files_outside_of_the_range_are_not_read(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number, days_ago=number) for number in range(10)])
    compact_all(sqlite_runtime)
    now = clock.now_us()
    answer = query(sqlite_runtime, 1, "SELECT count(*) FROM events", start_us=now - 2 * 86_400_000_000)
    assert answer.rows[0][0] <= answer.rows_read <= 3


def test_a_project_sees_nothing_of_another(runtime: Runtime) -> None:
    store(runtime, [event(1), event(2, project_id=2)])
    for _ in ("fresh", "compacted"):
        assert (numbers(runtime, 1), numbers(runtime, 2)) == ([1], [2])
        compact_all(runtime, 1)
        compact_all(runtime, 2)


def test_two_questions_of_one_look_are_about_the_same_moment(runtime: Runtime) -> None:
    store(runtime, [event(1)])
    with warehouse_of(runtime).look(1) as look:
        store(runtime, [event(2)])
        compact_all(runtime)
        assert look.query("SELECT count(*) FROM events").rows == [(1,)]
    assert numbers(runtime) == [1, 2]


def test_a_compaction_between_the_list_and_the_rows_is_not_seen(
    any_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(any_runtime, [event(number) for number in range(10)])
    real = catalogue.live

    def compacted_after(session: Session, project_id: int) -> list[catalogue.Listed]:
        monkeypatch.undo()
        found = real(session, project_id)
        compact_all(any_runtime)
        return found

    monkeypatch.setattr(catalogue, "live", compacted_after)
    assert numbers(any_runtime) == list(range(10))
    assert numbers(any_runtime) == list(range(10))


def test_a_statement_cannot_leave_the_segments(sqlite_runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for statement in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/made.csv'",
        f"ATTACH '{tmp_path}/other.db'",
        "SET threads = 9",
        "INSTALL httpfs",
        "SELECT * FROM NAMES",
    ):
        with pytest.raises(Exception, match=r"disabled|locked|does not exist|not exist"):
            query(sqlite_runtime, 1, statement)


def test_a_question_that_takes_too_long_ends(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, query_timeout="300ms") as runtime:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"longer than 0\.3 s"):
            query(runtime, 1, LONG)
        assert time.monotonic() - began < 60

        def answers() -> bool:
            """On a busy machine a small question may be out of time here as well."""
            with suppress(Unavailable):
                return numbers(runtime) == []
            return False

        eventually(answers)


def planned_slowly(sql: str) -> str:
    """The statement with a condition that holds, and whose planning takes a second or more."""
    return f"{sql} AND greatest({', '.join(f'(a.range + {number}) % 7' for number in range(3_000))}) >= 0"


def test_a_time_out_that_strikes_while_duckdb_plans_is_not_forgotten(sqlite_runtime: Runtime) -> None:
    with warehouse_of(sqlite_runtime).look(1) as look:
        rescue = threading.Timer(60, look.cancel)
        rescue.start()
        try:
            with pytest.raises(Unavailable, match=r"longer than 0\.1 s"):
                look.query(planned_slowly(LONG), timeout=0.1)
            assert rescue.is_alive(), "it ended by its own time-out"
        finally:
            rescue.cancel()
        assert look.query("SELECT 1 AS one").rows == [(1,)], "the next one is not struck"


def test_a_statement_that_is_too_long_to_be_planned_is_refused(sqlite_runtime: Runtime) -> None:
    with pytest.raises(Unavailable) as refused:
        query(sqlite_runtime, 1, f"SELECT {'1 + ' * (STATEMENT_MOST // 4)}1")
    assert refused.value.code == "query_too_large"


def test_a_question_is_cancelled_from_another_thread(sqlite_runtime: Runtime) -> None:
    with warehouse_of(sqlite_runtime).look(1) as look:
        timer = threading.Timer(0.2, look.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            look.query(LONG)
        timer.join()


def test_a_question_beyond_the_memory_bound_is_refused(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, query_memory_mb=64) as runtime:
        with pytest.raises(Unavailable, match="more memory"):
            query(runtime, 1, "SELECT list(a.range || repeat('x', 1000)) FROM range(1000000) a")
        assert numbers(runtime) == []


def test_too_many_questions_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quadra.warehouse.query.engine.WAIT_SECONDS", 0.1)
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, query_concurrency=1) as runtime:
        with warehouse_of(runtime).look(1), pytest.raises(Unavailable) as refused:
            query(runtime, 1, "SELECT 1")
        assert (refused.value.code, refused.value.retry_after_seconds) == ("busy", 2)
        assert query(runtime, 1, "SELECT 1").rows == [(1,)]


def test_an_export_comes_in_pieces(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number) for number in range(25_000)], per_batch=4000)
    with warehouse_of(sqlite_runtime).look(1) as look:
        sizes = [batch.num_rows for batch in look.stream("SELECT event_id FROM events")]
    assert sum(sizes) == 25_000
    assert max(sizes) <= 10_000
