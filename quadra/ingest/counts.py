"""What came in and was not stored: duplicates and refusals, by project, hour of receipt, door and reason.

Events themselves say how many were stored. These leave nothing else behind, so they are counted in memory, which costs an
event that is stored nothing, and added to a table every few seconds: a process that is killed loses the last of them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.ingest.halving import Outcome
from quadra.ingest.tables import IngestCount
from quadra.ingest.wire import Refused
from quadra.ingest.writer import Ticket

logger = logging.getLogger(__name__)

WRITE_SECONDS = 5.0
KEYS_MOST = 10_000
"""Kept while the database is away; what would be one more is not counted."""
HOUR_US = 3_600_000_000
DUPLICATE, REFUSED = "duplicate", "refused"


class Key(NamedTuple):
    project_id: int
    hour: int
    """Since 1970, in UTC."""
    door: str
    outcome: str
    reason: str
    """Of a refusal the step and the code, such as `time: clock`; else empty."""


class Counts:
    """Of one process. Safe on any thread."""

    def __init__(self, runtime: Runtime):
        self._database = runtime.database
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def add(self, project_id: int, door: str, outcome: str, reason: str = "", number: int = 1) -> None:
        key = Key(project_id, clock.now_us() // HOUR_US, door, outcome, reason)
        with self._lock:
            if key in self._counts or len(self._counts) < KEYS_MOST:
                self._counts[key] += number

    def refused(self, project_id: int, door: str, refusals: Iterable[Refused]) -> None:
        for reason, number in Counter(reason_of(one) for one in refusals).items():
            self.add(project_id, door, REFUSED, reason, number)

    def not_new(self, ticket: Ticket, outcomes: Sequence[Outcome]) -> None:
        """Of a flush in which not every event was new: `outcomes` are those of the ticket's rows."""
        for row, outcome in zip(ticket.rows, outcomes, strict=True):
            if type(outcome) is Refused:
                self.refused(row.project_id, ticket.door, [outcome])
            elif outcome[1]:
                self.add(row.project_id, ticket.door, DUPLICATE)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=WRITE_SECONDS)
        self.write()

    def write(self) -> None:
        """Add what was counted since to the table. Where the database is away it waits for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._database.begin() as session:
                for key in sorted(counts):  # two processes take their locks in the same order
                    _add(session, key, counts[key])
        except (SQLAlchemyError, Unavailable) as error:
            logger.warning("ingest.counts.not_written", extra={"counts": len(counts), "error": str(error)[:200]})
            with self._lock:
                self._counts.update(counts)

    def _run(self) -> None:
        while not self._stopping.wait(WRITE_SECONDS):
            self.write()


def reason_of(refused: Refused) -> str:
    return f"{refused.step}: {refused.code}"[:64]


def _add(session: Session, key: Key, number: int) -> None:
    of_key = [getattr(IngestCount, name) == value for name, value in key._asdict().items()]
    grow = sa.update(IngestCount).where(*of_key).values(number=IngestCount.number + number)
    if session.execute(grow).rowcount:  # type: ignore[attr-defined]
        return
    try:
        with session.begin_nested():
            session.add(IngestCount(**key._asdict(), number=number))
    except IntegrityError:  # another process was quicker
        session.execute(grow)
