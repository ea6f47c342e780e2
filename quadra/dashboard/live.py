"""The live namespace: who may watch which project, joining, and catching up after a gap."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_socketio import ConnectionRefusedError as Refusal
from flask_socketio import SocketIO, join_room, leave_room
from msgspec import to_builtins
from sqlalchemy.exc import SQLAlchemyError

from quadra.accounts.access import Credentials, admit, credentials
from quadra.accounts.callers import Caller
from quadra.accounts.projects import get_project
from quadra.core import clock
from quadra.core.errors import Forbidden, Limited, NotFound, QuadraError, Unauthorised
from quadra.core.runtime import Runtime
from quadra.core.web.limits import client_network, take
from quadra.core.web.loop import Threads
from quadra.core.web.realtime import websocket_messages_total
from quadra.dashboard import reading
from quadra.dashboard.channel import Channel
from quadra.dashboard.channels import Channels
from quadra.dashboard.messages import CatchUp, Joined, JoinProblem, Left
from quadra.dashboard.tally import MINUTE, Cursor, read_cursor
from quadra.ingest.writer import Writer

logger = logging.getLogger(__name__)

NAMESPACE = "/live"
INSTALLATION = "installation"
"""The room of those who are told how the whole installation is; those of projects begin with `project:`."""
OLDEST = 50 * 60 * MINUTE
"""The age of a cursor from which on nothing is caught up: the numbers of today and yesterday are told anew anyway."""
ADMIT_SECONDS = 30.0
"""How often everybody who was let in is asked again: keys are revoked, users disabled, sessions ended."""


JOINS = 30
"""Of one connection in a minute: each reads the latest events anew. A page joins once, and again after a silence."""
JOINS_SECONDS = 60.0


@dataclass(slots=True)
class Viewer:
    """One connection that was let in."""

    caller: Caller
    shown: Credentials
    joins: int = 0
    joins_since: float = 0.0

    def count_join(self) -> None:
        """Raises `Limited`."""
        now = time.monotonic()
        if now - self.joins_since > JOINS_SECONDS:
            self.joins, self.joins_since = 0, now
        self.joins += 1
        if self.joins > JOINS:
            seconds = math.ceil(self.joins_since + JOINS_SECONDS - now)
            raise Limited(
                f"This connection has joined {JOINS} times within a minute.", retry_after_seconds=max(1, seconds)
            )


class Live:
    """The viewers of this process."""

    def __init__(self, runtime: Runtime, socketio: SocketIO, writer: Writer):
        self._runtime = runtime
        self._server = socketio.server
        self._threads = Threads(runtime.loop, 2, "live")
        self._channels = Channels(runtime, self._threads, self._emit)
        self._viewers: dict[str, Viewer] = {}
        writer.on_stored.append(self._channels.stored)
        for name, handler in (
            ("connect", self._connect),
            ("disconnect", self._disconnect),
            ("admin:join", lambda *wanted: to_builtins(self._join(*wanted))),
            ("admin:leave", lambda *wanted: to_builtins(self._leave(*wanted))),
        ):
            socketio.on_event(name, handler, namespace=NAMESPACE)

    def start(self) -> None:
        self._channels.start()
        self._runtime.loop.spawn(self._admit_for_ever)

    def _connect(self, auth: Any = None) -> None:
        plain = auth.get("key", "") if isinstance(auth, dict) else ""
        try:
            # a key, or the cookie of a page of ours; a cookie that comes with a foreign Origin is refused there
            shown = credentials(plain if isinstance(plain, str) else "")
            caller = self._threads.run(admit, self._runtime.database, shown, "viewer")
        except QuadraError as error:
            reason = self._count_stranger(error) if isinstance(error, Unauthorised) else error
            raise Refusal(reason.message, reason.as_dict()) from error
        if self._server.manager.eio_sid_from_sid(_sid(), NAMESPACE) is None:
            return  # it went while it was asked about, and nobody says so again
        self._viewers[_sid()] = Viewer(caller, shown)
        if caller.sees_installation:
            join_room(INSTALLATION)

    def _count_stranger(self, error: QuadraError) -> QuadraError:
        """What somebody who may not connect is told: that, or after too many tries that they are too many."""
        settings = self._runtime.settings
        rate = f"{settings.rate_limit_strangers_day}/day;{settings.rate_limit_strangers_hour}/hour"
        try:
            self._threads.run(take, self._runtime, rate, f"stranger:{client_network()}")
        except Limited as limited:
            return limited
        return error

    def _disconnect(self, _reason: Any = None) -> None:
        self._viewers.pop(_sid(), None)
        for channel in self._channels.of(_sid()):
            channel.viewers.discard(_sid())

    def _join(self, wanted: Any = None) -> Joined | JoinProblem:
        """Joining again is fine: the page does so after a silence, to get everything anew."""
        websocket_messages_total.labels("admin:join", "in").inc()
        wanted = wanted if isinstance(wanted, dict) else {}
        try:
            self._count()
            channel = self._find(str(wanted.get("project") or "default"))
            self._viewer()  # it may have gone meanwhile
            channel.viewers.add(_sid())
            join_room(channel.room)
            cursor = read_cursor(str(wanted.get("cursor") or ""))
            if cursor is not None and cursor.horizon_at > clock.now_us() - OLDEST:
                self._catch_up(channel, cursor)
            latest = self._threads.run(reading.latest, self._runtime.database, channel.project_id)
        except QuadraError as error:
            return JoinProblem(error.as_dict())
        except SQLAlchemyError:
            logger.exception("live.join.failed")
            return JoinProblem({"code": "unavailable", "message": "The database does not answer; try again."})
        return Joined(True, channel.project, channel.snapshot(), latest)

    def _count(self) -> None:
        """A join reads as much as a request does, and counts as one. Raises `Limited`."""
        viewer = self._viewer()
        viewer.count_join()
        rate = f"{self._runtime.settings.rate_limit_reads}/minute"
        self._threads.run(take, self._runtime, rate, f"read:{viewer.caller.counted_as}")

    def _viewer(self) -> Viewer:
        """Who asks. Raises `Unauthorised` where the connection is gone."""
        found = self._viewers.get(_sid())
        if found is None:
            raise Unauthorised("This connection has ended.")
        return found

    def _leave(self, wanted: Any = None) -> Left:
        websocket_messages_total.labels("admin:leave", "in").inc()
        slug = wanted.get("project") if isinstance(wanted, dict) else None
        for channel in self._channels.of(_sid()):
            if slug in (None, channel.slug):
                leave_room(channel.room)
                channel.viewers.discard(_sid())
        return Left(True)

    def _find(self, slug: str) -> Channel:
        """The channel of a project that the caller may see. Raises `NotFound`, `Unavailable`."""
        caller = self._viewer().caller
        project_id, name, timezone = self._threads.run(self._project, slug)
        if not caller.sees(project_id):
            raise NotFound(f"There is no project {slug!r}.")
        return self._channels.open(project_id, slug, name, timezone)

    def _project(self, slug: str) -> tuple[int, str, str]:
        with self._runtime.database.read() as session:
            project = get_project(session, slug)
            return project.id, project.name, project.timezone

    def _catch_up(self, channel: Channel, cursor: Cursor) -> None:
        to = clock.now_us() // 1000
        count, events = self._threads.run(reading.missed, self._runtime.database, channel.project_id, cursor)
        since = min(cursor.received_at or cursor.horizon_at, to * 1000) // 1000
        self._emit(_sid(), "catch_up", CatchUp(channel.slug, since, to, count, events))

    def _emit(self, room: str, name: str, message: object) -> None:
        websocket_messages_total.labels(name, "out").inc()
        # ignore_queue: every replica tells its own viewers
        self._server.emit(name, to_builtins(message), room=room, namespace=NAMESPACE, ignore_queue=True)

    def _admit_for_ever(self) -> None:
        while True:
            self._runtime.loop.sleep(ADMIT_SECONDS)
            for sid, viewer in list(self._viewers.items()):
                try:
                    viewer.caller = self._threads.run(admit, self._runtime.database, viewer.shown, "viewer")
                    self._put_out(sid, viewer.caller)
                except (Unauthorised, Forbidden):
                    self._server.disconnect(sid, namespace=NAMESPACE)
                except (QuadraError, SQLAlchemyError) as error:
                    logger.warning("live.tick.postponed", extra={"task": "admit", "reason": str(error)})
                    break

    def _put_out(self, sid: str, caller: Caller) -> None:
        """Of the rooms of what they may not see any more."""
        for channel in self._channels.of(sid):
            if not caller.sees(channel.project_id):
                channel.viewers.discard(sid)
                self._server.leave_room(sid, channel.room, namespace=NAMESPACE)
        if not caller.sees_installation:
            self._server.leave_room(sid, INSTALLATION, namespace=NAMESPACE)


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]
