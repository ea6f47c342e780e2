"""Where pybreaker keeps a breaker's state: one row that every process reads and writes.

The library reads, decides and writes; between its steps other processes do the same. So every write here repeats the
epoch under which its call was let through, and `epoch` grows with each change of state and each trial taken. A write that
hits no row comes from a call of an earlier time (or of a trial that took too long): the breaker has moved on without it,
and its outcome no longer counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pybreaker
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from quadra.core import clock
from quadra.core.database import Database
from quadra.insights.tables import Breaker
from quadra.jobs.tables import rows_hit

NAMES = {
    "CLOSED": pybreaker.STATE_CLOSED,
    "OPEN": pybreaker.STATE_OPEN,
    "HALF_OPEN": pybreaker.STATE_HALF_OPEN,
}
STATES = {theirs: ours for ours, theirs in NAMES.items()}


class DatabaseStorage(pybreaker.CircuitBreakerStorage):
    """The storage of one call. Each write is a transaction of its own. Raises `core.errors.Unavailable` from any part."""

    def __init__(self, database: Database, name: str):
        super().__init__(name)
        self._database = database
        self._epoch = -1
        self.seen = ""
        """The state this call was let through by: the last that was read."""
        self._opened_at: datetime | None = None
        self._successes = 0

    @property
    def state(self) -> str:
        """Read anew; from here on this call belongs to the epoch that was read."""
        row = self._row()
        self._epoch, self._opened_at = row.epoch, row.opened_at
        self.seen = row.state
        return NAMES[row.state]

    @state.setter
    def state(self, state: str) -> None:
        at = clock.now()
        values: dict[str, Any] = {
            "state": STATES[state],
            "last_state_change": at,
            "trial_expires_at": None,
            "epoch": Breaker.epoch + 1,
        }
        if state == pybreaker.STATE_OPEN:
            values["opened_at"] = at
        if state == pybreaker.STATE_CLOSED:
            values["failure_count"] = 0
        if self._write(values):
            self._epoch += 1

    def take_trial(self, length: timedelta) -> bool:
        """Whether this call is the one trial of HALF_OPEN. One conditional update: of many who ask, one is told yes."""
        at = clock.now()
        free = sa.or_(Breaker.trial_expires_at.is_(None), Breaker.trial_expires_at < at)
        taken = self._write(
            {"trial_expires_at": at + length, "epoch": Breaker.epoch + 1}, Breaker.state == "HALF_OPEN", free
        )
        if taken:
            self._epoch += 1
        return taken

    def increment_counter(self) -> None:
        self._write({"failure_count": Breaker.failure_count + 1})

    def reset_counter(self) -> None:
        if self._row().failure_count:  # a success is the usual case, and then there is nothing to write
            self._write({"failure_count": 0}, Breaker.failure_count > 0)

    @property
    def counter(self) -> int:
        row = self._row()
        return row.failure_count if row.epoch == self._epoch else 0

    @property
    def opened_at(self) -> datetime | None:
        return self._opened_at

    @opened_at.setter
    def opened_at(self, at: datetime) -> None:
        self._opened_at = at  # kept with the state, in one statement

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def success_counter(self) -> int:
        return self._successes

    def _row(self) -> Breaker:
        with self._database.read() as session:
            row = session.get(Breaker, self.name)
        return row if row is not None else self._create()

    def _create(self) -> Breaker:
        try:
            with self._database.begin() as session:
                session.add(Breaker(name=self.name, state="CLOSED", failure_count=0, epoch=0))
        except IntegrityError:
            # another process made it between our look and our insert: that row is as good as ours
            return self._row()
        return self._row()

    def _write(self, values: dict[str, Any], *conditions: sa.ColumnElement[bool]) -> bool:
        statement = sa.update(Breaker).where(Breaker.name == self.name, Breaker.epoch == self._epoch, *conditions)
        with self._database.begin() as session:
            return rows_hit(session, statement.values(values)) > 0
