"""COPY stores what the statement of many rows stores, and says of repetitions and of what does not fit what that says."""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from quadra.core.database import Database
from quadra.core.database_errors import is_away, refuses_a_value
from quadra.ingest import copying
from quadra.ingest.columns import Row
from quadra.ingest.copying import LEAST, Copy
from quadra.ingest.log import Log
from tests.clients import assert_counts_are_rows
from tests.ingest.conftest import ask, row
from tests.waiting import eventually

pytestmark = pytest.mark.parametrize("server_database", ["postgres"], indirect=True)

TEXTS = ("", " ", "\\N", "\\.", "\\", "a\\tb", '"{}"', "NULL", "Wien \u00e9 \U0001f600", "'", "%s", ",")
APART = ("tab\there", "line\nhere", "line\rhere", "\1", "\1a")
"""What divides values or rows, or stands for no value."""
OBJECTS = (b"{}", b'{"a":"\\\\N","b":"\\"\\t\\u00e9","c":[1,null,1e300]}', b'{"text":"\\\\."}', b'{ "a" : 1 }')
NUMBERS = (0.0, -0.0, 0.1, 1e300, -5e-324, 1 / 3, math.pi * 1e15)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each group: whether COPY took it."""
    found: list[bool] = []
    by_copy = Copy.rows

    def rows(*given: Any) -> bool:
        found.append(False)
        found[-1] = by_copy(*given)
        return found[-1]

    monkeypatch.setattr(Copy, "rows", rows)
    return found


@pytest.fixture
def log(server_database: Database) -> Log:
    return Log(server_database, writer="w", batch_max_events=1_000_000, job_kinds={})


def group(name: str, number: int = LEAST) -> list[Row]:
    return [row(f"{name}-{at:03}") for at in range(number)]


def odd(name: str) -> list[Row]:
    found = group(name, 2 * len(TEXTS))
    for at, one in enumerate(found):
        text = TEXTS[at % len(TEXTS)]
        one.occurred_at = one.received_at = 1_772_362_800_123_456 + at
        one.category = one.page_url = one.page_title = text
        one.name = text or "name"
        one.user_id = text if at % 2 else None
        one.value, one.duration_ms = NUMBERS[at % len(NUMBERS)], None
        one.success, one.bot = (True, False, None)[at % 3], at % 2 == 0
        one.properties = msgspec.Raw(OBJECTS[at % len(OBJECTS)]) if at % 5 else None
        one.fields = msgspec.Raw(OBJECTS[at % len(OBJECTS)])
    return found


def stored(database: Database, name: str) -> list[Any]:
    find = "SELECT properties::text, fields::text, event.* FROM event WHERE event_id LIKE :like ORDER BY event_id"
    left_out = ("event_id", "batch_id", "properties", "fields")
    found = ask(database, find, like=f"{name}-%")
    return [[value for key, value in one._mapping.items() if key not in left_out] + list(one[:2]) for one in found]


def test_values_of_all_kinds_are_stored_as_by_the_statement(
    server_database: Database, log: Log, copied: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(odd("copy"))
    monkeypatch.setattr(copying, "LEAST", 1_000)
    log.append(odd("statement"))
    assert copied == [True, False]
    assert stored(server_database, "copy") == stored(server_database, "statement")
    assert assert_counts_are_rows(server_database) == 4 * len(TEXTS)


def test_a_value_that_holds_what_divides_rows_goes_by_the_statement(
    server_database: Database, log: Log, copied: list[bool]
) -> None:
    for text in APART:
        rows = group(text.encode().hex())
        rows[3].user_id = text
        log.append(rows)
    assert copied == [False] * len(APART)
    found = ask(server_database, "SELECT user_id FROM event WHERE user_id <> 'u'")
    assert {user_id for (user_id,) in found} == set(APART)


def test_of_a_group_with_repetitions_the_rest_is_stored_and_each_is_told(
    server_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = log.append(group("a"))
    batch_id = first.outcomes[0][0]
    tries: list[bool] = []
    by_copy = Copy.rows
    monkeypatch.setattr(Copy, "rows", lambda *given: tries.append(True) or by_copy(*given))
    mixed = [*group("b"), row("a-003"), row("b-001"), *group("c")]
    done = log.append(mixed)
    assert len(tries) == 2, "by COPY, which a repetition ends, and then by the statement"
    expected = [False] * LEAST + [True, True] + [False] * LEAST
    assert done.outcomes == [(batch_id, duplicate) for duplicate in expected]
    assert assert_counts_are_rows(server_database) == 3 * LEAST
    assert log.append(group("d")).outcomes == [(batch_id, False)] * LEAST, "while COPY rests"
    assert assert_counts_are_rows(server_database) == 4 * LEAST


def test_a_value_that_does_not_fit_is_refused_as_by_the_statement(server_database: Database, log: Log) -> None:
    rows = group("a")
    rows[5].user_id = "x" * 201
    with pytest.raises(DBAPIError) as raised:
        log.append(rows)
    assert refuses_a_value(raised.value)
    assert assert_counts_are_rows(server_database) == 0


def test_a_connection_that_ends_meanwhile_is_told_as_one_and_nothing_is_stored_twice(
    server_database: Database, log: Log
) -> None:
    ended: list[bool] = []

    def end_who_waits() -> None:
        find = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^COPY'"
        )
        eventually(lambda: ask(server_database, find))
        ended.append(True)

    with server_database.connect_to_write() as other:
        other.exec_driver_sql(
            "INSERT INTO event (project_id, event_id, batch_id, kind, name, event_type, occurred_at, received_at, bot) "
            "VALUES (1, 'a-005', 'other', 'event', 'n', 'n', 0, 0, false)"
        )
        ender = threading.Thread(target=end_who_waits)
        ender.start()
        with pytest.raises(DBAPIError) as raised:
            log.append(group("a"))
        ender.join()
        assert ended
        assert is_away(raised.value)
        other.rollback()
    log.forget_open_batches()
    assert not any(duplicate for _, duplicate in log.append(group("a")).outcomes)
    assert assert_counts_are_rows(server_database) == LEAST


def test_while_events_are_repeated_each_group_goes_by_the_statement_and_none_fails(
    log: Log, copied: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(0, 10_000, int(copying.REST_SECONDS) - 1))
    monkeypatch.setattr(copying, "time", SimpleNamespace(monotonic=lambda: next(moments), perf_counter=lambda: 0.0))
    log.append(group("a"))
    for number in range(5):
        log.append([*group(f"b{number}"), row("a-003")])
    assert copied == [True, False] + [False] * 5, "the first is tried by COPY, and again by the statement"
