"""The one way in: what each step refuses, how it is counted, and that every ticket is answered once. With a fake writer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from quadra.core.errors import Limited, QuadraError, Unavailable
from quadra.ingest import metrics
from quadra.ingest.accept import Sender
from quadra.ingest.doors.intake import Intake
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.tickets import Ticket
from quadra.ingest.halving import Outcome
from quadra.ingest.wire import Refused, read_one

GOOD = {"event_id": "e-1", "event_type": "signup"}


def event(fields: dict[str, Any]) -> Any:
    return read_one(msgspec.json.encode(fields))


class Noted(Ticket):
    def __init__(self, weight: int = 100):
        super().__init__("http", weight)
        self.answers: list[Any] = []

    def settle(self, outcomes: Any) -> None:
        self.answers.append(list(outcomes))

    def fail(self, error: QuadraError) -> None:
        self.answers.append(error)


class FakeWriter:
    """Stores at once; raises what a test sets."""

    def __init__(self) -> None:
        self.no_room: Unavailable | None = None
        self.no_more: Unavailable | None = None

    def ask_for_room(self) -> None:
        if self.no_room:
            raise self.no_room

    def submit(self, ticket: Ticket) -> None:
        if self.no_more:
            raise self.no_more
        outcomes: list[Outcome] = [("b-1", False) for _ in ticket.rows]
        ticket.settle(outcomes)


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def submit(writer: FakeWriter) -> Callable[..., Noted]:
    """Submits wire events; every ticket must have exactly one answer."""
    counts = SimpleNamespace(refused=lambda _project_id, _door, _refusals: None)
    intake: Any = SimpleNamespace(writer=writer, counts=counts, aside=lambda heavy, function, *args: function(*args))

    def submit(*wires: Any, meter: Meter | None = None, needs_identity: bool = False) -> Noted:
        ticket = Noted()
        sender = Sender(1, "http", meter=meter, needs_identity=needs_identity)
        Intake.submit(intake, wires, sender, ticket)
        assert len(ticket.answers) == 1
        return ticket

    return submit


@pytest.fixture
def grown() -> Callable[[], dict[tuple[str, str], float]]:
    """(step, code) -> by how much its counter grew."""

    def counts() -> dict[tuple[str, str], float]:
        samples = (sample for family in metrics.refusals_total.collect() for sample in family.samples)
        return {
            (sample.labels["step"], sample.labels["code"]): sample.value
            for sample in samples
            if sample.name.endswith("_total")
        }

    before = counts()
    return lambda: {key: value - before.get(key, 0) for key, value in counts().items() if value != before.get(key, 0)}


def test_an_event_that_passes_every_step_is_refused_by_none(
    submit: Callable[..., Noted], grown: Callable[[], Any]
) -> None:
    assert submit(event(GOOD)).answers == [[("b-1", False)]]
    assert grown() == {}


@pytest.mark.parametrize(
    ("fields", "step", "code"),
    [
        ({"event_type": "a", "event_id": ""}, "identity", "invalid"),
        ({**GOOD, "page": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "nesting", "invalid"),
        ({**GOOD, "kind": "no such"}, "shape", "invalid"),
        ({**GOOD, "kind": "identify", "user_id": "u", "traits": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "size", "invalid"),
        ({**GOOD, "properties": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "properties", "invalid"),
        ({**GOOD, "timestamp": "1999-01-01T00:00:00Z"}, "time", "clock"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("beside", [(), (GOOD,)], ids=["alone", "beside a good one"])
def test_what_a_step_of_accepting_refuses_is_counted_under_its_name(
    submit: Callable[..., Noted], grown: Callable[[], Any], fields: Any, step: str, code: str, beside: Any
) -> None:
    ticket = submit(event(fields), *map(event, beside))
    assert (type(ticket.results[0]), len(ticket.rows)) == (Refused, len(beside))
    assert grown() == {(step, code): 1}


def test_what_could_not_be_decoded_is_counted_and_costs_itself_alone(
    submit: Callable[..., Noted], grown: Callable[[], Any]
) -> None:
    unreadable = Refused("invalid", {"event": "not JSON"})
    ticket = submit(unreadable, event(GOOD), unreadable)
    assert ticket.answers == [[("b-1", False)]]
    assert [type(one) is Refused for one in ticket.results] == [True, False, True]
    assert grown() == {("decode", "invalid"): 2}


def test_without_room_nothing_is_checked_or_counted_against_the_limit(
    submit: Callable[..., Noted], grown: Callable[[], Any], writer: FakeWriter
) -> None:
    writer.no_room = Unavailable(code="overloaded")
    meter, nothing_to_check = Meter(10), object()
    assert submit(nothing_to_check, nothing_to_check, meter=meter).answers == [writer.no_room]
    assert meter.used == 0
    assert grown() == {("room", "overloaded"): 2}


def test_the_request_that_reaches_its_limit_is_stored_whole_and_the_next_one_refused_whole(
    submit: Callable[..., Noted], grown: Callable[[], Any]
) -> None:
    meter = Meter(2)
    events = [event({**GOOD, "event_id": f"e-{n}"}) for n in range(3)]
    assert submit(*events, meter=meter).answers == [[("b-1", False)] * 3]
    (error,) = submit(*events, meter=meter).answers
    assert isinstance(error, Limited)
    assert meter.used == 3
    assert grown() == {("limit", "limited"): 3}


def test_a_writer_that_fills_up_meanwhile_refuses_what_was_accepted_and_names_each_event(
    submit: Callable[..., Noted], grown: Callable[[], Any], writer: FakeWriter
) -> None:
    writer.no_more = Unavailable(code="overloaded")
    ticket = submit(event(GOOD), event({**GOOD, "kind": "no such"}))
    assert ticket.answers == [writer.no_more]
    assert [one.event_id for one in ticket.results] == ["e-1", "e-1"]
    assert grown() == {("room", "overloaded"): 1, ("shape", "invalid"): 1}


def test_what_a_flush_does_not_store_is_counted_as_refused_by_writing(grown: Callable[[], Any]) -> None:
    ticket: Any = SimpleNamespace(door="http", rows=[SimpleNamespace(received_at=0)] * 3)
    never = Refused("invalid", {"event": "the database cannot hold it"}, step="write")
    metrics.flushed([ticket], 3, [("b-1", False), never, ("b-1", True)], 1)
    metrics.flushed([ticket], 3, (), 0, Unavailable())
    assert grown() == {("write", "invalid"): 1, ("write", "unavailable"): 3}


def test_no_events_at_all_are_answered_at_once(submit: Callable[..., Noted], grown: Callable[[], Any]) -> None:
    assert submit().answers == [[]]
    assert grown() == {}
