"""What comes in, counted once a flush: an event costs nothing here (docs/decisions/0003)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.observing.metrics import FAST, SIZES, Live, counter, gauge, gauges, histogram
from quadra.core.settings import Settings
from quadra.ingest.tables import BATCH_STATES, Batch
from quadra.ingest.wire import Refused

events_total = counter(
    "events_total",
    "Events by what became of them: stored, duplicate, refused (for good), or retry (the sender was told to try again).",
    ("outcome", "door"),
)
refusals_total = counter(
    "refusals_total",
    "Events that were not stored, by the step that refused them (key, body, room, limit, decode, a step of accepting, write) "
    "and the code that the sender got. A request or message of which nothing could be read counts as one.",
    ("step", "code"),
)
event_ack_duration_seconds = histogram(
    "event_ack_duration_seconds",
    "From the receipt of the oldest event of a flush until its events were durable: the longest wait of each flush.",
    buckets=FAST,
)
flush_size = histogram("flush_size", "Events written in one transaction.", buckets=SIZES)

DOOR = attrgetter("door")


def flushed(
    tickets: Sequence[Any], rows: int, outcomes: Sequence[Any], new: int, error: QuadraError | None = None
) -> None:
    """A flush of `rows` events ended, `new` of them new; with an `error` nothing of it is stored."""
    if not rows:
        return
    flush_size.observe(rows)
    if error is None:
        waited_us = clock.now_us() - tickets[0].rows[0].received_at
        event_ack_duration_seconds.observe(max(waited_us, 0) / 1e6)
    else:
        refused("write", error.code, rows)
    doors = set(map(DOOR, tickets))
    if len(doors) == 1 and (error is not None or new == rows):  # nearly always
        events_total.labels("stored" if error is None else "retry", doors.pop()).inc(rows)
        return
    of_each = (ticket.door for ticket in tickets for _ in ticket.rows)
    results = repeat("retry") if error is not None else map(_outcome, outcomes)
    for (outcome, door), number in Counter(zip(results, of_each, strict=False)).items():
        events_total.labels(outcome, door).inc(number)
    for code, number in Counter(one.code for one in outcomes if type(one) is Refused).items():
        refused("write", code, number)


def refused(step: str, code: str, number: int = 1) -> None:
    refusals_total.labels(step, code).inc(number)


def not_accepted(door: str, refusals: Sequence[Refused]) -> None:
    """Events that a step refused for good."""
    events_total.labels("refused", door).inc(len(refusals))
    for (step, code), number in Counter((one.step, one.code) for one in refusals).items():
        refused(step, code, number)


def turned_away(door: str, step: str, code: str, number: int) -> None:
    """Events that may come again: there was no room for them, or their key has sent too many."""
    events_total.labels("retry", door).inc(number)
    refused(step, code, number)


def depth(writer: Any) -> Live:
    """The gauge of a web process's writer."""
    return lambda: [gauge("writer_queue_depth", "Events that wait to be stored.", writer.depth)]


def batches(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    found = session.execute(sa.select(Batch.status, sa.func.count()).group_by(Batch.status)).all()
    counts: dict[str, int] = {**dict.fromkeys(BATCH_STATES, 0), **dict(row._tuple() for row in found)}
    yield gauges("batches", "Batches in each state.", ("status",), counts)


def _outcome(outcome: Any) -> str:
    if type(outcome) is Refused:
        return "refused"
    return "duplicate" if outcome[1] else "stored"


GAUGES = (batches,)
