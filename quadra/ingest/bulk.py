"""Write many events from a command: groups of rows straight into the log, beside whatever server runs.

A command has nobody who waits for a single event, so it may wait itself: a database that is away for a moment is tried
again, and one row that it cannot hold does not keep the others out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from quadra.core.database_errors import refuses_a_value, why
from quadra.core.errors import Unavailable
from quadra.ingest.columns import Row
from quadra.ingest.halving import CANNOT, Outcome, by_halves
from quadra.ingest.log import Log

GROUP = 2_000
TRIES = 6
FIRST_WAIT_SECONDS = 0.5


def append(log: Log, rows: Sequence[Row], *, sleep: Callable[[float], None] = time.sleep) -> list[Outcome]:
    """Store `rows` durably; an outcome for each. Raises `Unavailable` where the database stays away."""
    wait = FIRST_WAIT_SECONDS
    for left in reversed(range(TRIES)):
        try:
            return list(log.append(rows).outcomes)
        except DBAPIError as error:
            log.forget_open_batches()
            if refuses_a_value(error):
                says = f"{CANNOT}: {error.orig}"
                return by_halves(rows, error, lambda some: append(log, some, sleep=sleep), says=says)
            if not left:
                raise Unavailable(f"{why(error)} It said: {str(error.orig).strip()}.") from error
        sleep(wait)
        wait *= 2
    raise AssertionError("unreachable")
