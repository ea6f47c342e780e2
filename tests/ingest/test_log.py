"""The log on each database: an event once, in a batch that counts it, and never in a batch that was sealed before."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.database_errors import is_away
from quadra.core.errors import Conflict, NotFound
from quadra.ingest import batches
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.ingest.tables import BATCH_MOVES, BATCH_STATES, Batch, Event
from tests.clients import assert_counts_are_rows
from tests.ingest.conftest import ask, row
from tests.waiting import PATIENCE_SECONDS

both_servers = pytest.mark.parametrize("server_database", ["postgres", "mariadb"], indirect=True)
only_postgres = pytest.mark.parametrize("server_database", ["postgres"], indirect=True)


def rows(*event_ids: str) -> list[Row]:
    return [row(event_id) for event_id in event_ids]


def in_parallel(*functions: Callable[[], Any]) -> list[Any]:
    """Call all at once; their results. The first error comes out."""
    outcomes: list[Any] = [None] * len(functions)
    start = threading.Barrier(len(functions))

    def run(at: int) -> None:
        start.wait()
        try:
            outcomes[at] = functions[at]()
        except BaseException as error:
            outcomes[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def test_an_event_is_stored_once_within_a_group_and_all_who_sent_it_hear_the_same_batch(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    done = make_log().append(rows("a", "b", "a", "a"))
    batch_id = done.outcomes[0][0]
    assert done.outcomes == [(batch_id, False), (batch_id, False), (batch_id, True), (batch_id, True)]
    assert assert_counts_are_rows(any_database) == 2


def test_an_event_is_stored_once_across_groups_and_the_answer_names_the_batch_it_lies_in(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    log = make_log(batch_max_events=2)
    first = log.append(rows("a", "b"))
    second = log.append(rows("c", "a"))
    assert second.outcomes[1] == (first.outcomes[0][0], True)
    assert second.outcomes[0][0] != first.outcomes[0][0]
    assert not second.outcomes[0][1]
    assert assert_counts_are_rows(any_database) == 3


def test_an_event_is_stored_once_across_writers(any_database: Database, make_log: Callable[..., Log]) -> None:
    first = make_log("w1").append(rows("a", "b"))
    second = make_log("w2").append(rows("b", "c"))
    assert second.outcomes[0] == (first.outcomes[1][0], True)
    assert second.outcomes[1][0] != first.outcomes[0][0]
    assert assert_counts_are_rows(any_database) == 3


def test_a_group_of_nothing_but_repetitions_opens_no_batch(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    make_log("w1").append(rows("a"))
    done = make_log("w2").append(rows("a"))
    assert (done.stored, done.open_batches, done.sealed) == ([], {}, [])
    assert ask(any_database, "SELECT count(*) FROM batch") == [(1,)]


def test_groups_of_any_size_are_stored_whole(any_database: Database, make_log: Callable[..., Log]) -> None:
    log, stored = make_log(), 0
    for size in (1, 2, 15, 16, 17, 33, 511, 1_100):
        done = log.append(rows(*(f"{size}-{number}" for number in range(size))))
        stored += size
        assert not any(duplicate for _, duplicate in done.outcomes)
        assert ask(any_database, "SELECT count(*) FROM event") == [(stored,)]
    assert_counts_are_rows(any_database)


def test_a_column_is_stored_also_where_no_group_before_filled_it(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    log, wanted = make_log(), {}
    groups: list[dict[str, Any]] = [{}, {"os": "Linux"}, {"browser": "Firefox"}, {}, {"os": "iOS", "value": 1.5}]
    for group, filled in enumerate(groups):
        some = rows(*(f"{group}-{number:02}" for number in range(40)))
        for name, value in filled.items():
            setattr(some[group], name, value)
        wanted |= {one.event_id: (one.os, one.browser, one.value) for one in some}
        log.append(some)
    found = ask(any_database, "SELECT event_id, os, browser, value FROM event")
    assert {event_id: tuple(values) for event_id, *values in found} == wanted


def test_the_same_id_in_two_projects_is_two_events(any_database: Database, make_log: Callable[..., Log]) -> None:
    with any_database.begin() as session:
        other = create_project(session, name="Other").id
    done = make_log().append([row("a"), row("a", other), row("a", other)])
    assert [duplicate for _, duplicate in done.outcomes] == [False, False, True]
    assert len({batch_id for batch_id, _ in done.outcomes}) == 2
    assert assert_counts_are_rows(any_database) == 2


ODD_IDS = [
    "a",
    "A",
    "\u00e4",
    "a\u0308",
    "a ",
    " a",
    "a\t",
    "\u00df",
    "ss",
    "\U0001f600",
    "'",
    '"',
    "\\",
    "%s",
    "a" * 128,
    "1",
    "01",
]


def test_ids_are_compared_byte_for_byte(any_database: Database, make_log: Callable[..., Log]) -> None:
    done = make_log().append(rows(*ODD_IDS))
    assert not any(duplicate for _, duplicate in done.outcomes)
    again = make_log("w2").append(rows(*ODD_IDS))
    assert all(duplicate for _, duplicate in again.outcomes)
    assert [batch_id for batch_id, _ in again.outcomes] == [batch_id for batch_id, _ in done.outcomes]
    assert {found for (found,) in ask(any_database, "SELECT event_id FROM event")} == set(ODD_IDS)
    assert assert_counts_are_rows(any_database) == len(ODD_IDS)


def test_every_column_comes_back_as_it_was_given(any_database: Database, make_log: Callable[..., Log]) -> None:
    text = "\u00e4 \U0001f600 \"quoted\" 'single' \\ back % {} \n\t\x01\x7f"
    full = Row(
        project_id=1,
        event_id="full",
        kind="survey",
        name=text,
        event_type=text,
        occurred_at=1_772_362_800_123_456,
        received_at=1_772_362_800_123_457,
        category=text,
        user_id=text,
        anonymous_id=text,
        session_id="12",
        page_url="u" * 8192,
        page_title=text,
        referrer=text * 100,
        device_type="mobile",
        browser="Firefox",
        os="Linux",
        duration_ms=0.1,
        value=-1e300,
        success=False,
        bot=True,
        fields=msgspec.Raw(b'{"a":"\\"","b":[1,null,true,1.5]}'),
        properties=msgspec.Raw(msgspec.json.encode({"t": text, "n": 12345678901234567890, "deep": {"a": [{}]}})),
    )
    bare = Row(1, "bare", "event", "n", "t", -1, 0)
    make_log().append([full, bare])
    with any_database.read() as session:
        found = {event.event_id: event for event in session.scalars(sa.select(Event))}
    for wanted in (full, bare):
        event = found[wanted.event_id]
        for name in Row.__struct_fields__:
            value, got = getattr(wanted, name), getattr(event, name)
            if name.endswith("_at"):
                got = clock.to_us(got)
            if isinstance(value, msgspec.Raw):
                value = msgspec.json.decode(value)
            assert got == value, name
            assert type(got) is type(value), name


def test_a_batch_is_sealed_when_it_is_full_and_the_next_group_opens_another(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    log = make_log(batch_max_events=3)
    first = log.append(rows("a", "b"))
    assert (first.sealed, list(first.open_batches)) == ([], [1])
    second = log.append(rows("c", "d"))
    assert second.sealed == [first.outcomes[0][0]] == [second.outcomes[0][0]]
    assert second.open_batches == {}
    third = log.append(rows("e"))
    assert third.outcomes[0][0] != first.outcomes[0][0]
    found = ask(any_database, "SELECT status, event_count, sealed_at IS NULL FROM batch ORDER BY opened_at")
    assert [(status, count, bool(open_)) for status, count, open_ in found] == [("SEALED", 4, False), ("OPEN", 1, True)]


def test_one_group_is_one_batch_however_large(any_database: Database, make_log: Callable[..., Log]) -> None:
    done = make_log(batch_max_events=10).append([row(f"e{n:05}") for n in range(2_000)])
    assert len({batch_id for batch_id, _ in done.outcomes}) == 1
    assert ask(any_database, "SELECT status, event_count FROM batch") == [("SEALED", 2_000)]
    assert assert_counts_are_rows(any_database) == 2_000


def test_a_writer_has_one_open_batch_for_each_project_and_writers_do_not_share(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    logs = [make_log(f"w{n}", batch_max_events=7) for n in range(3)]
    for turn in range(20):
        for at, log in enumerate(logs):
            log.append(rows(*(f"{turn}-{at}-{n}" for n in range(3))))
            assert not ask(
                any_database,
                "SELECT project_id, writer FROM batch WHERE status = 'OPEN' GROUP BY project_id, writer "
                "HAVING count(*) > 1",
            )
    assert len(ask(any_database, "SELECT DISTINCT writer FROM batch")) == 3
    assert assert_counts_are_rows(any_database) == 180


def test_a_batch_that_somebody_sealed_meanwhile_gets_no_event(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    log = make_log()
    (sealed, _), *_ = log.append(rows("a")).outcomes
    with any_database.begin() as session:
        assert batches.seal_due(session, max_age=timedelta(0), job_kinds={}, max_attempts=5) == [sealed]
    done = log.append(rows("b", "a"))
    assert done.outcomes[0][0] != sealed
    assert done.outcomes[1] == (sealed, True)
    assert ask(any_database, "SELECT status, event_count FROM batch ORDER BY opened_at") == [("SEALED", 1), ("OPEN", 1)]
    assert assert_counts_are_rows(any_database) == 2


def test_only_what_is_open_and_old_enough_is_sealed_by_age(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    make_log("old").append(rows("a"))
    make_log("full", batch_max_events=1).append(rows("b"))
    with any_database.begin() as session:
        session.execute(sa.update(Batch).values(opened_at=clock.now() - timedelta(minutes=10, seconds=1)))
    make_log("young").append(rows("c"))
    with any_database.begin() as session:
        sealed = batches.seal_due(session, max_age=timedelta(minutes=10), job_kinds={}, max_attempts=5)
    assert ask(any_database, "SELECT writer FROM batch WHERE id = :id", id=sealed[0]) == [("old",)]
    assert len(sealed) == 1


def test_a_batch_is_sealed_by_hand_once(any_database: Database, make_log: Callable[..., Log]) -> None:
    ((batch_id, _),) = make_log().append(rows("a")).outcomes
    with any_database.begin() as session:
        batches.seal(session, batch_id, job_kinds={"analyse": 0}, max_attempts=5)
    with any_database.begin() as session, pytest.raises(Conflict, match="is SEALED"):
        batches.seal(session, batch_id, job_kinds={"analyse": 0}, max_attempts=5)
    with any_database.begin() as session, pytest.raises(NotFound):
        batches.seal(session, "nothing", job_kinds={}, max_attempts=5)
    assert ask(any_database, "SELECT kind, batch_id FROM job") == [("analyse", batch_id)]


def test_each_way_of_sealing_enqueues_one_job_of_each_kind(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    kinds = {"analyse": 0, "compact": 1}
    full = make_log("full", batch_max_events=2, job_kinds=kinds, max_attempts=3).append(rows("a", "b"))
    assert len(full.sealed) == 1
    ((aged, _),) = make_log("aged", job_kinds=kinds).append(rows("c")).outcomes
    assert len(ask(any_database, "SELECT id FROM job")) == 2
    with any_database.begin() as session:
        batches.seal_due(session, max_age=timedelta(0), job_kinds=kinds, max_attempts=3)
    found = ask(any_database, "SELECT batch_id, kind, state, attempt, max_attempts, unique_key FROM job")
    assert sorted(found) == sorted(
        (batch_id, kind, "PENDING", 0, 3, f"{kind}:{batch_id}") for batch_id in (full.sealed[0], aged) for kind in kinds
    )


def test_a_batch_whose_jobs_cannot_be_written_is_not_there_either(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    log = make_log(batch_max_events=2, job_kinds={"k" * 65 if any_database.dialect != "sqlite" else None: 0})
    log.append(rows("a"))
    with pytest.raises(DBAPIError):
        log.append(rows("b"))
    assert ask(any_database, "SELECT status, event_count FROM batch") == [("OPEN", 1)]
    assert ask(any_database, "SELECT event_id FROM event") == [("a",)]
    assert assert_counts_are_rows(any_database) == 1


def test_a_value_the_database_cannot_hold_fails_its_group_as_wrong_and_not_as_away(
    any_database: Database, make_log: Callable[..., Log]
) -> None:
    """What the writer relies on to tell one bad event from a database that is away."""
    log = make_log()
    with pytest.raises(DBAPIError) as caught:
        log.append([row("a"), unfit_row("b", any_database.dialect)])
    assert not is_away(caught.value)
    assert ask(any_database, "SELECT count(*) FROM event") == [(0,)]
    assert not log.append(rows("a")).outcomes[0][1]
    assert assert_counts_are_rows(any_database) == 1


def unfit_row(event_id: str, dialect: str) -> Row:
    """A row that no accept step lets through. SQLite holds nearly anything, so there the name is missing."""
    return row(event_id, name=None) if dialect == "sqlite" else row(event_id, kind="k" * 17)


def test_the_states_of_a_batch_are_a_closed_list() -> None:
    assert set(BATCH_MOVES) == set(BATCH_STATES)
    assert {state for moves in BATCH_MOVES.values() for state in moves} <= set(BATCH_STATES)


@both_servers
def test_writers_that_store_the_same_events_at_once_store_each_once_and_count_it_once(
    server_database: Database,
) -> None:
    """Several in one transaction, in different orders, so that they meet half way."""
    writers, turns = 4, 12
    stored: list[list[str]] = [[] for _ in range(writers)]
    failed: list[DBAPIError] = []

    def write(at: int) -> None:
        log = Log(server_database, writer=f"w{at}", batch_max_events=25, job_kinds={})
        for turn in range(turns):
            group = rows(*(f"{turn}-{n}" for n in range(30)))
            random.Random(at * 100 + turn).shuffle(group)
            while True:
                try:
                    done = log.append(group)
                except DBAPIError as error:  # a deadlock is an answer of MariaDB: nothing was stored, try again
                    assert is_away(error)  # noqa: PT017
                    failed.append(error)
                    log.forget_open_batches()
                    continue
                break
            stored[at] += [
                one.event_id for one, (_, duplicate) in zip(group, done.outcomes, strict=True) if not duplicate
            ]

    in_parallel(*(lambda at=at: write(at) for at in range(writers)))
    everything = [event_id for one in stored for event_id in one]
    assert len(everything) == len(set(everything)) == turns * 30
    assert assert_counts_are_rows(server_database) == turns * 30
    assert len(failed) <= writers * turns


@only_postgres
def test_no_event_is_ever_in_a_batch_that_was_sealed_before_it(server_database: Database) -> None:
    """Eight writers against a sealer. What a sealed batch held when it was sealed is what it holds at the end."""
    stop = threading.Event()
    held: dict[str, set[str]] = {}

    def write(at: int) -> int:
        log = Log(server_database, writer=f"w{at}", batch_max_events=40, job_kinds={})
        written = 0
        began = time.monotonic()
        while time.monotonic() < began + 4 or (len(held) <= 20 and time.monotonic() < began + PATIENCE_SECONDS):
            log.append(rows(*(f"{at}-{written}-{n}" for n in range(7))))
            written += 7
        return written

    def seal() -> int:
        while not stop.is_set():
            with server_database.begin() as session:
                sealed = batches.seal_due(session, max_age=timedelta(0), job_kinds={"analyse": 0}, max_attempts=5)
            for batch_id in sealed:  # as any job would read it
                found = ask(server_database, "SELECT event_id FROM event WHERE batch_id = :id", id=batch_id)
                held[batch_id] = {event_id for (event_id,) in found}
        return 0

    sealer = threading.Thread(target=seal)
    sealer.start()
    try:
        written = sum(in_parallel(*(lambda at=at: write(at) for at in range(8))))
    finally:
        stop.set()
        sealer.join()
    assert assert_counts_are_rows(server_database) == written
    assert len(held) > 20
    at_the_end: dict[str, set[str]] = {}
    for batch_id, event_id in ask(server_database, "SELECT batch_id, event_id FROM event"):
        at_the_end.setdefault(batch_id, set()).add(event_id)
    assert {batch_id: at_the_end[batch_id] for batch_id in held} == held
    late = ask(
        server_database,
        "SELECT count(*) FROM event JOIN batch ON batch.id = event.batch_id WHERE event.received_at > batch.sealed_at",
    )
    assert late == [(0,)]
    jobs = ask(server_database, "SELECT count(*), count(DISTINCT batch_id) FROM job")
    assert jobs == [(len(held), len(held))]
