"""What the first question about a project takes longest over, begun when somebody opens a page: until the page asks, DuckDB has
begun, and the identity map is known, and the names in the files of the last month, about which most pages ask first. Not at the
start of the process: what that takes in memory is for those who ask.
"""

from __future__ import annotations

import logging
import threading

import duckdb
from sqlalchemy.exc import SQLAlchemyError

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.catalogue import DAY_US

logger = logging.getLogger(__name__)

DAYS = 31


class Warming:
    """Once a project and process."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._lock = threading.Lock()
        self._begun: set[int] = set()

    def begin(self, project_id: int) -> None:
        """On a thread of its own, which ends when it is done."""
        with self._lock:
            if project_id in self._begun:
                return
            self._begun.add(project_id)
        threading.Thread(target=self._warm, args=(project_id,), name="warming", daemon=True).start()

    def _warm(self, project_id: int) -> None:
        try:
            with warehouse_of(self._runtime).look(project_id, start_us=clock.now_us() - DAYS * DAY_US) as look:
                if look.elsewhere is None:
                    look.query("SELECT person FROM events LIMIT 0")
        except (QuadraError, SQLAlchemyError, duckdb.Error) as error:  # the question itself tells it to whoever asks
            logger.info("warehouse.query.not_warmed", extra={"project_id": project_id, "reason": str(error)})


def warm(runtime: Runtime, project_id: int) -> None:
    runtime.the(Warming).begin(project_id)
