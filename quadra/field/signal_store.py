"""What is remembered of the signals of projects: in a worker's memory, and in rows from which any worker goes on.

The states are saved once an hour. Whoever has to go on from them judges the minutes stored since once more: the same
minutes make the same state.
"""

from __future__ import annotations

import base64
import logging
import math
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.field.artifact import DAMAGED
from quadra.field.minutes import Reading, Signals, pack, unpack
from quadra.field.signals import MINUTE_US
from quadra.field.tables import SignalMinute, SignalProgress, SignalState
from quadra.jobs.tables import rows_hit

logger = logging.getLogger(__name__)

REMEMBERED = 32
"""Projects in memory, some 0.7 MB each."""
KEEP = timedelta(days=14)
"""Of minutes."""
FORGET_AT_ONCE = 5_000
readings_typed = Typed(dict[str, Reading])


class Memory:
    """What this process remembers."""

    def __init__(self, _runtime: Runtime):
        self.known: OrderedDict[int, Signals] = OrderedDict()

    def keep(self, project_id: int, signals: Signals) -> None:
        self.known[project_id] = signals
        self.known.move_to_end(project_id)
        while len(self.known) > REMEMBERED:
            self.known.popitem(last=False)


def minute_of(at: datetime) -> int:
    return clock.to_us(at) // MINUTE_US


def at_minute(minute: int) -> datetime:
    return clock.from_us(minute * MINUTE_US)


def forget(session: Session, project_id: int) -> None:
    """Everything of a project's signals: they are learned anew from its history."""
    for table in (SignalProgress, SignalState, SignalMinute):
        session.execute(sa.delete(table).where(table.project_id == project_id))


def move_on(session: Session, project_id: int, before: int, until: int, **values: Any) -> bool:
    """Whether nobody else has judged these minutes."""
    row = sa.update(SignalProgress).where(
        SignalProgress.project_id == project_id, SignalProgress.until_at == at_minute(before)
    )
    return rows_hit(session, row.values(until_at=at_minute(until), updated_at=clock.now(), **values)) > 0


def load(runtime: Runtime, project_id: int) -> Signals | None:
    """As of `until_at`: the saved states, and the minutes stored since judged again."""
    with runtime.database.snapshot() as session:
        progress = session.get_one(SignalProgress, project_id)
        states = session.scalars(sa.select(SignalState).where(SignalState.project_id == project_id)).all()
        since = sa.select(SignalMinute).where(
            SignalMinute.project_id == project_id, SignalMinute.minute_at >= progress.saved_at
        )
        stored = session.scalars(since.order_by(SignalMinute.minute_at)).all()
    signals = Signals(minute_of(progress.saved_at))
    try:
        signals.known = {state.name: unpack(base64.b64decode(state.data)) for state in states}
    except DAMAGED as error:
        logger.error("field.signals.damaged", extra={"project_id": project_id, "reason": str(error)})
        with runtime.database.begin() as session:
            forget(session, project_id)
        return None
    for row in stored:
        signals.until = minute_of(row.minute_at)
        readings = readings_typed.convert(row.readings)
        signals.judge({name: math.nan if one.value is None else one.value for name, one in readings.items()})
    signals.until = minute_of(progress.until_at)
    return signals


def save(session: Session, project_id: int, signals: Signals) -> None:
    session.execute(sa.delete(SignalState).where(SignalState.project_id == project_id))
    states = [(name, base64.b64encode(pack(one)).decode()) for name, one in signals.known.items()]
    session.execute(
        sa.insert(SignalState), [{"project_id": project_id, "name": name, "data": data} for name, data in states]
    )
    old = SignalMinute.minute_at < clock.now() - KEEP
    delete_free(session, SignalMinute, sa.and_(SignalMinute.project_id == project_id, old), at_most=FORGET_AT_ONCE)
