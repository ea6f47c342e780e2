"""Does the database take events? A round trip each time; a write that is really committed at most once in PROVEN_SECONDS,
whoever asks how often. Events that were stored meanwhile prove it as well: a busy database is not asked to write more. Events
that were refused prove the contrary, whatever a small row says: on a full disk it may still find room.
"""

from __future__ import annotations

import logging
import threading
import time

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.ids import uuid7
from quadra.health.tables import HealthMark

logger = logging.getLogger(__name__)

PROVEN_SECONDS = 5.0


def write_mark(database: Database) -> None:
    """A row that is really written and committed, and gone again. Raises what the driver raises."""
    mark = uuid7()
    with database.connect_to_write() as connection:
        connection.execute(sa.insert(HealthMark).values(id=mark, at=clock.now()))
        connection.execute(sa.delete(HealthMark).where(HealthMark.id == mark))


class Readiness:
    """Of one web process. Safe from any thread."""

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._error: DBAPIError | None = None
        self._said = ""

    def ask(self) -> None:
        """Raises what the driver raises, for up to PROVEN_SECONDS longer than it does."""
        self._database.ping()
        with (
            self._lock
        ):  # a second one waits for the first one's proof: threads that hang must not pile up in the database
            now = time.monotonic()
            if (refusal := self._database.refusal()) is not None:
                self._error = refusal
            elif now - self._database.wrote_at < PROVEN_SECONDS:
                self._error = None
            elif now - self._looked_at >= PROVEN_SECONDS:
                self._error = self._prove()
                self._looked_at = time.monotonic()
            if self._error is not None:
                raise self._error

    def note(self, error: Exception | None) -> None:
        """Log why, each time that it is another reason."""
        reason = "" if error is None else str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        if reason == self._said:
            return
        self._said = reason
        if reason:
            logger.warning("health.readiness.lost", extra={"reason": reason})
        else:
            logger.info("health.readiness.regained")

    def _prove(self) -> DBAPIError | None:
        try:
            write_mark(self._database)
        except DBAPIError as error:
            return error
        return None
