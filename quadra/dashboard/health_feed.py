"""Tell those on the live namespace who may see the whole installation what a worker found when it last looked: `health:update`.

The report lies in the database, so that every replica tells its own viewers, with or without Redis.
"""

from __future__ import annotations

import logging
from datetime import datetime

from flask_socketio import SocketIO
from msgspec import to_builtins
from sqlalchemy.exc import SQLAlchemyError

from quadra.core.commits import Commits, Stamp
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads, until_next
from quadra.dashboard.live import INSTALLATION, NAMESPACE
from quadra.health import history
from quadra.health.answers import update
from quadra.health.tables import HealthReport

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class HealthFeed:
    """On the event loop; the database is asked on a thread, while somebody watches and not otherwise."""

    def __init__(self, runtime: Runtime, socketio: SocketIO):
        self._runtime = runtime
        self._server = socketio.server
        self._threads = Threads(runtime.loop, 1, "health-feed")
        self._told: datetime | None = None
        self._looked: Stamp = None

    def start(self) -> None:
        self._runtime.loop.spawn(self._tell_for_ever)

    def _tell_for_ever(self) -> None:
        while True:
            self._runtime.loop.sleep(until_next(LOOK_SECONDS))
            try:
                self._tell()
            except (QuadraError, SQLAlchemyError) as error:
                logger.warning("live.tick.postponed", extra={"task": "health", "reason": str(error)})
            except Exception:
                logger.exception("live.tick.failed", extra={"task": "health"})

    def _tell(self) -> None:
        if not any(True for _ in self._server.manager.get_participants(NAMESPACE, INSTALLATION)):
            return
        row = self._threads.run(self._latest)
        if row is not None and row.at != self._told:
            self._told = row.at
            # ignore_queue: every replica tells its own viewers
            told = to_builtins(update(row))
            self._server.emit("health:update", told, room=INSTALLATION, namespace=NAMESPACE, ignore_queue=True)

    def _latest(self) -> HealthReport | None:
        """None where nothing was committed since the last look."""
        stamp = self._runtime.the(Commits).stamp()
        if stamp is not None and stamp == self._looked:
            return None
        self._looked = stamp
        with self._runtime.database.read() as session:
            return next(iter(history.latest(session, 1)), None)
