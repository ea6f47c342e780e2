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
from quadra.core.observing.metrics import FAST, SIZES, Live, counter, gauge, gauges, histogram
from quadra.core.settings import Settings
from quadra.ingest.tables import BATCH_STATES, Batch
from quadra.ingest.wire import Refused

events_total = counter(
    "events_total",
    "Events by what became of them: stored, duplicate, refused (for good), or retry (the sender was told to try again).",
    ("outcome", "door"),
)
event_ack_duration_seconds = histogram(
    "event_ack_duration_seconds",
    "From the receipt of the oldest event of a flush until its events were durable: the longest wait of each flush.",
    buckets=FAST,
)
flush_size = histogram("flush_size", "Events written in one transaction.", buckets=SIZES)

DOOR = attrgetter("door")


def flushed(tickets: Sequence[Any], rows: int, outcomes: Sequence[Any] | None, new: int) -> None:
    """A flush of `rows` events ended, `new` of them new; `outcomes` is None where nothing of it is stored."""
    if not rows:
        return
    flush_size.observe(rows)
    if outcomes is not None:
        waited_us = clock.now_us() - tickets[0].rows[0].received_at
        event_ack_duration_seconds.observe(max(waited_us, 0) / 1e6)
    doors = set(map(DOOR, tickets))
    if len(doors) == 1 and (outcomes is None or new == rows):  # nearly always
        events_total.labels("retry" if outcomes is None else "stored", doors.pop()).inc(rows)
        return
    of_each = (ticket.door for ticket in tickets for _ in ticket.rows)
    results = repeat("retry") if outcomes is None else map(_outcome, outcomes)
    for (outcome, door), number in Counter(zip(results, of_each, strict=False)).items():
        events_total.labels(outcome, door).inc(number)


def turned_away(door: str, outcome: str, number: int = 1) -> None:
    """Events that never reached the writer: `refused` by an accept step, or `retry` where the queue is full or its key
    has sent too many."""
    events_total.labels(outcome, door).inc(number)


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
