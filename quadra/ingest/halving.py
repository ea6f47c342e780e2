"""One event that the database cannot hold must not keep the others out: halve the rows until it is alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from quadra.ingest.columns import Row
from quadra.ingest.wire import Refused

logger = logging.getLogger(__name__)

CANNOT = "the database cannot hold it"
Outcome = tuple[str, bool] | Refused
"""(batch id, duplicate), or why the database cannot hold the event."""


def by_halves(
    rows: Sequence[Row], error: DBAPIError, store: Callable[[Sequence[Row]], list[Outcome]], *, says: str = CANNOT
) -> list[Outcome]:
    """Outcomes of rows of which the database refused a value, with `error`; `store` is tried with each half."""
    if len(rows) == 1:
        logger.error("ingest.event.refused", extra={"event_id": rows[0].event_id, "reason": str(error.orig)})
        return [Refused("invalid", {"event": says}, rows[0].event_id, step="write")]
    middle = len(rows) // 2
    return store(rows[:middle]) + store(rows[middle:])
