"""What the doors of sinks answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from quadra.core import clock
from quadra.core.api.params import says
from quadra.insights.tables import BreakerState
from quadra.sinks.registry import SINKS
from quadra.sinks.state import STATES, SinkState, State
from quadra.sinks.tables import QuarantinedEvent


class ShownSink(Struct, kw_only=True):
    name: Annotated[str, says(f"{', '.join(sink.name for sink in SINKS)}.", "kafka")]
    title: str
    state: Annotated[State, says(" ".join(f"{state}: {text}." for state, text in STATES.items()))]
    lag_seconds: Annotated[float, says("Since when the batch waits that has waited longest; 0 where none does.")]
    pending_batches: int
    delivered_events: Annotated[int, says("Repeats after a failure and replays are counted too.")]
    quarantined_events: Annotated[int, says("That the other side refused for good.")]
    last_error: str | None
    last_error_at: str | None
    breaker: BreakerState


class SinkList(Struct, kw_only=True):
    sinks: list[ShownSink]


class TheSink(Struct, kw_only=True):
    sink: ShownSink


class Replayed(Struct, kw_only=True):
    name: str
    batches: Annotated[int, says("That wait again.")]
    status: Literal["queued"]


class QuarantineRow(Struct, kw_only=True):
    event_id: str
    batch_id: str
    project: str | None
    reason: Annotated[str, says("In the other side's words.")]
    at: str


class Quarantine(Struct, kw_only=True):
    rows: list[QuarantineRow]
    count: int
    total: int


def sink_shown(state: SinkState) -> ShownSink:
    return ShownSink(
        name=state.name,
        title=state.title,
        state=state.state,
        lag_seconds=state.lag_seconds,
        pending_batches=state.pending_batches,
        delivered_events=state.delivered_events,
        quarantined_events=state.quarantined_events,
        last_error=state.last_error,
        last_error_at=clock.iso_or_none(state.last_error_at),
        breaker=state.breaker,
    )


def row_shown(row: QuarantinedEvent, project: str | None) -> QuarantineRow:
    return QuarantineRow(
        event_id=row.event_id, batch_id=row.batch_id, project=project, reason=row.reason, at=clock.iso(row.at)
    )
