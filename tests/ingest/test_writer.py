"""The writer: bounded, everyone answered once, nothing acknowledged that is not stored, and no listener can stop it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.web.loop import Loop
from quadra.ingest.columns import Row
from quadra.ingest.log import Appended, Log, OpenBatch
from quadra.ingest.writer import Writer
from tests.clients import assert_counts_are_rows
from tests.ingest.conftest import Ticket, ask, opened, wait_for


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        yield database


class FakeLog:
    """Stores in a list; may be held, or made to fail."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.forgotten = 0

    def append(self, rows: Sequence[Row]) -> Appended:
        assert self.free.wait(90)
        if self.error is not None:
            raise self.error
        self.groups.append([one.event_id for one in rows])
        return Appended(outcomes=[("batch", False) for _ in rows], stored=[(OpenBatch("batch", len(rows)), list(rows))])

    def forget_open_batches(self) -> None:
        self.forgotten += 1


def away() -> OperationalError:
    return OperationalError("INSERT", {}, Exception("server closed the connection unexpectedly"))


def test_everyone_is_answered_once_and_what_is_answered_is_stored(
    loop: Loop, make_writer: Callable[..., Writer], database: Database
) -> None:
    log = Log(database, writer="w", batch_max_events=30, job_kinds={})
    writer = make_writer(log, queue_events=1_000)
    tickets = [Ticket(f"{n}-a", f"{n}-b", "same") for n in range(100)]
    for ticket in tickets:
        writer.submit(ticket)
    wait_for(loop, lambda: all(ticket.answers for ticket in tickets))
    loop.sleep(0.05)
    assert all(len(ticket.answers) == 1 for ticket in tickets)
    assert sum(sum(ticket.stored) for ticket in tickets) == 201
    assert assert_counts_are_rows(database) == 201
    assert writer.depth == 0


def test_a_full_queue_answers_overloaded_at_once_and_takes_more_when_it_has_room_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    log = FakeLog()
    log.free.clear()
    writer = make_writer(log, queue_events=10)
    tickets = [Ticket(*(f"{n}{m}" for m in range(5))) for n in range(2)]
    for ticket in tickets:
        writer.submit(ticket)
    assert writer.depth == 10
    with pytest.raises(Unavailable) as caught:
        writer.submit(Ticket("one too many"))
    assert caught.value.code == "overloaded"
    assert caught.value.retry_after_seconds >= 1
    log.free.set()
    wait_for(loop, lambda: all(ticket.answers for ticket in tickets))
    assert writer.depth == 0
    later = Ticket("now")
    writer.submit(later)
    wait_for(loop, lambda: later.answers)
    assert later.stored == [True]
    assert not any("one too many" in group for group in log.groups)


def test_a_queue_that_holds_too_many_bytes_answers_overloaded_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    log = FakeLog()
    log.free.clear()
    writer = make_writer(log, queue_bytes=1_000)
    heavy = Ticket("heavy", weight=1_001)
    writer.submit(heavy)
    with pytest.raises(Unavailable, match="hold"):
        writer.submit(Ticket("light", weight=1))
    log.free.set()
    wait_for(loop, lambda: heavy.answers)
    writer.submit(Ticket("light", weight=1))


def test_a_queue_that_was_full_takes_nothing_until_half_of_it_is_written_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    log = FakeLog()
    writer = make_writer(log, start=False, queue_events=10, flush_events=3)
    tickets = [Ticket(*(f"{n}{m}" for m in range(3))) for n in range(3)]
    for ticket in tickets:
        writer.submit(ticket)
    writer.ask_for_room()
    with pytest.raises(Unavailable):
        writer.submit(Ticket("1", "2"))
    with pytest.raises(Unavailable) as caught:  # there is room for one, and for none until there is room for many
        writer.submit(Ticket("1"))
    assert caught.value.code == "overloaded"
    seen: list[tuple[int, bool]] = []

    def look() -> None:
        try:
            writer.ask_for_room()
        except Unavailable:
            seen.append((writer.depth, False))
        else:
            seen.append((writer.depth, True))

    writer.after_flush.append(look)
    writer.start()
    wait_for(loop, lambda: all(ticket.answers for ticket in tickets))
    assert seen == [(6, False), (3, True), (0, True)]


def test_a_ticket_too_large_for_an_empty_queue_keeps_nobody_else_out_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    writer = make_writer(FakeLog(), queue_events=3)
    with pytest.raises(Unavailable):
        writer.submit(Ticket("1", "2", "3", "4"))
    small = Ticket("1")
    writer.submit(small)
    wait_for(loop, lambda: small.answers)
    assert small.stored == [True]


@pytest.mark.parametrize("error", [away(), RuntimeError("a mistake of ours")], ids=["away", "a mistake"])
def test_a_fake_log_that_fails_answers_retry_to_everybody_and_the_next_flush_works(
    loop: Loop, make_writer: Callable[..., Writer], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    log = FakeLog()
    log.error = error
    heard: list[Appended] = []
    writer = make_writer(log)
    writer.on_stored.append(heard.append)
    tickets = [Ticket(f"e{n}") for n in range(5)]
    for ticket in tickets:
        writer.submit(ticket)
    wait_for(loop, lambda: all(ticket.answers for ticket in tickets))
    assert all(isinstance(answer, Unavailable) for ticket in tickets for answer in ticket.answers)
    assert (log.groups, heard, writer.depth) == ([], [], 0)
    assert log.forgotten >= 1  # whether the batch it knows is still there, nobody can say
    log.error = None
    again = Ticket("e0")
    writer.submit(again)
    wait_for(loop, lambda: again.answers)
    assert again.stored == [True]
    assert "ingest.flush.failed" in caplog.text


def test_a_fake_log_that_hangs_answers_retry_after_its_time_and_recovers_by_itself(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    """A database that is frozen, not gone: no error ever comes out of the driver."""
    log = FakeLog()
    log.free.clear()
    writer = make_writer(log, flush_seconds=0.2, flush_events=2)
    first, second = Ticket("a", "b"), Ticket("c", "d")
    began = time.monotonic()
    for ticket in (first, second):
        writer.submit(ticket)
    wait_for(loop, lambda: first.answers and second.answers)
    assert time.monotonic() - began < 60  # it hangs on
    assert isinstance(first.answers[0], Unavailable)
    assert isinstance(second.answers[0], Unavailable)
    with pytest.raises(Unavailable, match="does not answer"):
        writer.submit(Ticket("while it hangs"))
    log.free.set()
    wait_for(loop, lambda: log.groups)

    def is_taken() -> bool:
        """Sent again where its time, on a busy machine, was over before it was stored."""
        later = Ticket("e")
        try:
            writer.submit(later)
        except Unavailable:
            return False
        wait_for(loop, lambda: later.answers)
        return not isinstance(later.answers[0], Unavailable) and later.stored == [True]

    wait_for(loop, is_taken)
    assert log.groups[0] == ["a", "b"]  # what was given up was stored late; repeating it finds duplicates
    assert [set(group) for group in log.groups[1:]] == [{"e"}] * (len(log.groups) - 1)
    assert [len(ticket.answers) for ticket in (first, second)] == [1, 1]


def test_stopping_writes_and_answers_everything_that_waits_and_takes_nothing_more(
    loop: Loop, make_writer: Callable[..., Writer], database: Database
) -> None:
    writer = make_writer(Log(database, writer="w", batch_max_events=20, job_kinds={}), flush_events=7)
    tickets = [Ticket(f"e{n}") for n in range(90)]
    for ticket in tickets:
        writer.submit(ticket)
    assert writer.stop(10) is True
    assert all(ticket.stored == [True] for ticket in tickets)
    assert ask(database, "SELECT count(*) FROM event") == [(90,)]
    with pytest.raises(Unavailable) as caught:
        writer.submit(Ticket("late"))
    assert caught.value.code == "stopping"


def test_stopping_a_fake_log_that_hangs_gives_up_in_time(loop: Loop, make_writer: Callable[..., Writer]) -> None:
    log = FakeLog()
    log.free.clear()
    writer = make_writer(log)
    writer.submit(Ticket("a"))
    assert writer.stop(0.2) is False
    log.free.set()


@pytest.mark.parametrize("where", ["settle", "after_flush", "on_stored"])
def test_whoever_fails_to_hear_an_answer_keeps_nobody_else_from_theirs_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake in a door")

    writer = make_writer(FakeLog())
    first, second, third = Ticket("a"), Ticket("b"), Ticket("c")
    if where == "settle":
        first.settle = fail  # type: ignore[method-assign]
    else:
        getattr(writer, where).append(fail)
    for ticket in (first, second):
        writer.submit(ticket)
    wait_for(loop, lambda: second.answers)
    writer.submit(third)
    wait_for(loop, lambda: third.answers)
    assert second.stored == third.stored == [True]
    assert writer.depth == 0
    assert any(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_one_flush_takes_whole_tickets_up_to_its_bound_and_always_one_with_a_fake_log(
    loop: Loop, make_writer: Callable[..., Writer]
) -> None:
    log = FakeLog()
    writer = make_writer(log, start=False, flush_events=5, queue_events=1_000)
    sizes = (3, 2, 1, 20, 4)
    tickets = [Ticket(*(f"{at}-{n}" for n in range(size))) for at, size in enumerate(sizes)]
    for ticket in tickets:
        writer.submit(ticket)
    writer.start()
    wait_for(loop, lambda: all(ticket.answers for ticket in tickets))
    assert [len(group) for group in log.groups] == [5, 1, 20, 4]


def test_what_the_writer_tells_apart_are_errors_of_the_driver() -> None:
    assert isinstance(away(), DBAPIError)
