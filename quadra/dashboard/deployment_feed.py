"""Tell those on the live namespace who may see the whole installation what happens to releases: `deployment:update`."""

from __future__ import annotations

import logging

from flask_socketio import SocketIO
from msgspec import to_builtins

from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads, until_next
from quadra.dashboard.live import INSTALLATION, NAMESPACE
from quadra.rollout.telling import DeploymentUpdate, Releases

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class DeploymentFeed:
    """On the event loop; the files are read on a thread, while somebody watches and not otherwise."""

    def __init__(self, runtime: Runtime, socketio: SocketIO):
        self._loop = runtime.loop
        self._server = socketio.server
        self._releases = runtime.the(Releases)
        self._threads = Threads(runtime.loop, 1, "deployment-feed")
        self._told: object = None

    def start(self) -> None:
        self._loop.spawn(self._tell_for_ever)

    def _tell_for_ever(self) -> None:
        while True:
            self._loop.sleep(until_next(LOOK_SECONDS))
            try:
                self._tell()
            except OSError as error:
                logger.warning("live.tick.postponed", extra={"task": "deployments", "reason": str(error)})
            except Exception:
                logger.exception("live.tick.failed", extra={"task": "deployments"})

    def _tell(self) -> None:
        if not any(True for _ in self._server.manager.get_participants(NAMESPACE, INSTALLATION)):
            return
        update = self._threads.run(self._news)
        if update is not None:
            payload = to_builtins(update)
            # ignore_queue: every replica tells its own viewers
            self._server.emit("deployment:update", payload, room=INSTALLATION, namespace=NAMESPACE, ignore_queue=True)

    def _news(self) -> DeploymentUpdate | None:
        found = self._releases.status()
        if found == self._told:
            return None
        first, self._told = self._told is None, found
        if first:  # what was before the first look is no news
            return None
        return DeploymentUpdate(
            release=found.current,
            status=found.status,
            total=found.total,
            failed=found.failed,
            recovery_attempts=found.recovery_attempts,
        )
