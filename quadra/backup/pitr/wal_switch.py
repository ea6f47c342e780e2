"""Make sure that everything committed until now lies in the archive, before somebody relies on it."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from quadra.backup.replica.sides import one
from quadra.core.errors import Conflict

ARCHIVE_SECONDS = 60


def archive_now(connection: Any, archive: Path) -> datetime:
    """End the current segment and wait until the archive has it. Returns the time of a commit that it holds: any earlier
    moment can be recovered to.

    Raises `Conflict` where the server does not archive, or archiving fails.
    """
    mode = one(connection, "SELECT current_setting('archive_mode') AS mode")["mode"]
    if mode == "off":
        raise Conflict("The server does not archive its log (archive_mode = off). Next: quadra wal setup")
    # an empty transaction with a commit record: without a later commit, recovery to a time has nowhere to stop
    at: datetime = one(
        connection, "SELECT clock_timestamp() AS at, pg_logical_emit_message(true, 'quadra', 'recovery point')"
    )["at"]
    name = one(connection, "SELECT pg_walfile_name(pg_switch_wal()) AS name")["name"]
    end = time.monotonic() + ARCHIVE_SECONDS
    while not (archive / f"{name}.gz").exists():
        if time.monotonic() > end:
            state = one(connection, "SELECT last_archived_wal, last_failed_wal, failed_count FROM pg_stat_archiver")
            raise Conflict(
                f"{name} did not reach {archive} within {ARCHIVE_SECONDS} s. The server last archived "
                f"{state['last_archived_wal'] or 'nothing'}, and failed {state['failed_count']} times"
                + (f", last at {state['last_failed_wal']}" if state["last_failed_wal"] else "")
                + ": its log says why; archive_command must write to this directory (quadra wal setup)."
            )
        time.sleep(0.1)
    return at
