"""The log of a worker: events about Quadra itself, which several of its threads have to store now and then."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from quadra.core.runtime import Runtime
from quadra.ingest import bulk
from quadra.ingest.columns import Row
from quadra.ingest.log import make_log


class OwnLog:
    """One for each process: its open batch takes the events of all. Ask for it by `runtime.the(OwnLog)`."""

    def __init__(self, runtime: Runtime):
        self._log = make_log(runtime)
        self._lock = threading.Lock()

    def append(self, rows: Sequence[Row]) -> None:
        """Store rows durably. Blocks. Raises `Unavailable`."""
        with self._lock:  # a log has one writer at a time
            bulk.append(self._log, rows)
