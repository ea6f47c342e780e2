"""When the last good backup was made and proved, as what lies in the stores says; the database may be what was lost.

A store may be a bucket far away. It is looked at by a thread of its own, once a minute while somebody scrapes; a scrape
shows what was found last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from quadra.backup.stores import catalogue as kept_backups
from quadra.core.observing.metrics import errors_total, gauges, maybe
from quadra.core.settings import Settings

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
FIRST_SECONDS = 1.0
"""That the first scrape waits for the first look; a store that is far away is seen by the second."""


class KeptBackups:
    """A `Live` of `core.metrics`."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._made: dict[str, float] = {}
        self._proved: float | None = None

    def __call__(self) -> Iterator[GaugeMetricFamily]:
        first = self._looked_at == float("-inf")
        if time.monotonic() - self._looked_at > EVERY_SECONDS and self._looking.acquire(blocking=False):
            look = threading.Thread(target=self._look, name="backups-look", daemon=True)
            look.start()
            if first:
                look.join(FIRST_SECONDS)
        says = "When the newest backup of each kind was made."
        yield gauges("backup_last_success_timestamp_seconds", says, ("kind",), dict(self._made))
        says = "When a backup was last restored into a database of its own and found whole."
        yield maybe("backup_last_verified_restore_timestamp_seconds", says, self._proved)

    def _look(self) -> None:
        try:
            made, proved = times(kept_backups.entries(self._settings))
            self._made, self._proved = made, proved
        except Exception as error:
            errors_total.labels(type(error).__name__, "backup").inc()
            logger.warning("backup.stores.not_read", extra={"reason": str(error)})
        finally:
            self._looked_at = time.monotonic()
            self._looking.release()


def times(entries: list[kept_backups.Backup]) -> tuple[dict[str, float], float | None]:
    """(kind -> when its newest was made, when one was last restored as a proof); seconds since 1970."""
    made: dict[str, float] = {}
    proved: list[float] = []
    for entry in entries:
        made[entry.kind] = max(_seconds(entry.created_at), made.get(entry.kind, 0.0))
        if entry.verified_by == "restore" and entry.verified_at is not None:
            proved.append(_seconds(entry.verified_at))
    return made, max(proved, default=None)


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
