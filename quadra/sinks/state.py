"""How sinks stand, for whoever shows it or warns about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.settings import Settings
from quadra.insights import breaker
from quadra.insights.tables import BreakerState
from quadra.sinks.delivering import guard_of
from quadra.sinks.registry import Listed, configured
from quadra.sinks.tables import QuarantinedEvent, QueuedBatch, SinkProgress, SinkRow

State = Literal["running", "paused", "failing"]
STATES: dict[State, str] = {
    "running": "what is sealed is delivered",
    "paused": "somebody paused it; what is sealed waits",
    "failing": "the last delivery failed; it is tried again until it works, and what is sealed waits",
}


@dataclass(frozen=True, slots=True)
class SinkState:
    name: str
    title: str
    state: State
    lag_seconds: float
    """Since when the batch waits that has waited longest; 0 where none does."""
    pending_batches: int
    delivered_events: int
    quarantined_events: int
    last_error: str | None
    last_error_at: datetime | None
    breaker: BreakerState


def sink_states(session: Session, settings: Settings, projects: Collection[int] | None = None) -> list[SinkState]:
    """Every sink of this installation. With `projects` only their batches and events are counted."""
    return [_state(session, settings, listed, projects) for listed in configured(settings)]


def _state(session: Session, settings: Settings, listed: Listed, projects: Collection[int] | None) -> SinkState:
    row = session.get(SinkRow, listed.name)
    guard = guard_of(listed, settings)
    known = breaker.states(session, cooldown=guard.cooldown).get(listed.name)
    queued = sa.and_(QueuedBatch.sink == listed.name, QueuedBatch.delivered_at.is_(None))
    oldest_us = sa.func.min(sa.type_coerce(QueuedBatch.waits_since, sa.BigInteger))
    pending, oldest = sa.select(sa.func.count()).where(queued), sa.select(oldest_us).where(queued)
    delivered = sa.select(sa.func.sum(SinkProgress.delivered_events)).where(SinkProgress.sink == listed.name)
    refused = sa.select(sa.func.count()).where(QuarantinedEvent.sink == listed.name)
    if projects is not None:
        here = QueuedBatch.project_id.in_(projects)
        pending, oldest = pending.where(here), oldest.where(here)
        delivered = delivered.where(SinkProgress.project_id.in_(projects))
        refused = refused.where(QuarantinedEvent.project_id.in_(projects))
    since_us = session.scalar(oldest)
    lag = 0.0 if since_us is None else max(0.0, (clock.now_us() - int(since_us)) / 1e6)
    return SinkState(
        name=listed.name,
        title=listed.title,
        state=_word(row),
        lag_seconds=round(lag, 3),
        pending_batches=session.scalar(pending) or 0,
        delivered_events=int(session.scalar(delivered) or 0),
        quarantined_events=session.scalar(refused) or 0,
        last_error=row.last_error if row is not None else None,
        last_error_at=row.last_error_at if row is not None else None,
        breaker=known.state if known is not None else "CLOSED",
    )


def _word(row: SinkRow | None) -> State:
    if row is not None and row.paused_at is not None:
        return "paused"
    return "failing" if row is not None and row.failures else "running"
