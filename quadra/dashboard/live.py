"""The live namespace: who watches which project, and what they are sent, at most ten times a second.

Each web process computes the numbers of a project for its own viewers: from its own flushes at once, and from the database
for whatever other processes stored. So the totals are absolute and right without Redis; Redis only makes it quicker.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from flask_socketio import ConnectionRefusedError as Refusal
from flask_socketio import SocketIO, join_room, leave_room
from sqlalchemy.exc import SQLAlchemyError

from quadra.accounts.access import Caller, Credentials, admit, credentials
from quadra.accounts.projects import get_project
from quadra.core import clock
from quadra.core.errors import Forbidden, NotFound, QuadraError, Unauthorised
from quadra.core.loop import Threads
from quadra.core.runtime import Runtime
from quadra.dashboard import reading
from quadra.dashboard.tally import SERIES_SECONDS, Seen, Tally
from quadra.ingest.log import Appended
from quadra.ingest.writer import Writer

logger = logging.getLogger(__name__)

NAMESPACE = "/live"
TICK_SECONDS = 0.05
CHECK_SECONDS = 1.0
"""How often batches of other processes are looked for."""
SAMPLE = 10
"""Raw events sent a tick at the most."""
ADMIT_SECONDS = 30.0
OVERLAP = timedelta(seconds=15)
"""How far back each look for new batches reaches: clocks differ and transactions take time."""


class Channel:
    """One project that somebody watches."""

    def __init__(self, project_id: int, slug: str, timezone: str):
        self.project_id = project_id
        self.slug = slug
        self.room = f"project:{project_id}"
        self.tally = Tally(ZoneInfo(timezone))
        self.viewers: set[str] = set()
        self.ready = False
        self.waiting: list[Appended] = []
        """Flushes that came while the history was being read."""
        self.fresh: list[dict[str, Any]] = []
        self.changed = False
        self.checked_at = clock.now()


class Live:
    """All channels of this process."""

    def __init__(self, runtime: Runtime, socketio: SocketIO, writer: Writer):
        self._runtime = runtime
        self._loop = runtime.loop
        self._socketio = socketio
        self._threads = Threads(runtime.loop, 2, "live")
        self._channels: dict[int, Channel] = {}
        self._callers: dict[str, Caller] = {}
        self._shown: dict[str, Credentials] = {}
        writer.on_stored.append(self._stored)
        socketio.on_event("connect", self._connect, namespace=NAMESPACE)
        socketio.on_event("disconnect", self._disconnect, namespace=NAMESPACE)
        socketio.on_event("admin:join", self._join, namespace=NAMESPACE)
        socketio.on_event("admin:leave", self._leave, namespace=NAMESPACE)

    def start(self) -> None:
        self._loop.spawn(self._tick_for_ever)
        self._loop.spawn(self._check_for_ever)
        self._loop.spawn(self._admit_for_ever)

    def _connect(self, auth: Any = None) -> None:
        plain = auth.get("key", "") if isinstance(auth, dict) else ""
        try:
            # a key, or the cookie of a page of ours; a cookie that comes with a foreign Origin is refused there
            shown = credentials(plain if isinstance(plain, str) else "")
            self._callers[_sid()] = self._threads.run(admit, self._runtime.database, shown, "viewer")
        except QuadraError as error:
            raise Refusal(error.message, error.as_dict()) from error
        self._shown[_sid()] = shown

    def _disconnect(self, _reason: Any = None) -> None:
        self._callers.pop(_sid(), None)
        self._shown.pop(_sid(), None)
        for channel in list(self._channels.values()):
            self._forget(channel, _sid())

    def _join(self, wanted: Any = None) -> dict[str, Any]:
        wanted = wanted if isinstance(wanted, dict) else {}
        try:
            channel = self._open(str(wanted.get("project") or "default"))
            channel.viewers.add(_sid())
            join_room(channel.room)
            cursor = str(wanted.get("cursor") or "")
            if cursor.isdecimal() and int(cursor) > 0:
                self._catch_up(channel, int(cursor))
            latest = self._threads.run(reading.latest, self._runtime.database, channel.project_id)
        except QuadraError as error:
            return {"error": error.as_dict()}
        except SQLAlchemyError:
            logger.exception("live.join.failed")
            return {"error": {"code": "unavailable", "message": "The database does not answer; try again."}}
        project = {"slug": channel.slug, "name": channel.slug, "timezone": str(channel.tally.timezone)}
        snapshot = channel.tally.snapshot(clock.now_us(), series_seconds=SERIES_SECONDS)
        return {"ok": True, "project": project, "snapshot": snapshot, "latest": latest}

    def _leave(self, wanted: Any = None) -> dict[str, Any]:
        slug = wanted.get("project") if isinstance(wanted, dict) else None
        for channel in list(self._channels.values()):
            if slug in (None, channel.slug):
                leave_room(channel.room)
                self._forget(channel, _sid())
        return {"ok": True}

    def _open(self, slug: str) -> Channel:
        """The channel of a project that the caller may see, with its history. Raises `NotFound`, `Unavailable`."""
        caller = self._callers.get(_sid())
        project_id, timezone = self._threads.run(self._find, slug)
        if caller is None or not caller.sees(project_id):
            raise NotFound(f"There is no project {slug!r}.")
        channel = self._channels.get(project_id)
        if channel is None:
            channel = self._channels[project_id] = Channel(project_id, slug, timezone)
            try:
                self._load(channel)
            except BaseException:
                self._channels.pop(project_id, None)
                raise
        while not channel.ready:  # another viewer's join is reading it
            self._loop.sleep(0.01)
            if self._channels.get(project_id) is not channel:
                return self._open(slug)
        return channel

    def _find(self, slug: str) -> tuple[int, str]:
        with self._runtime.database.read() as session:
            project = get_project(session, slug)
            return project.id, project.timezone

    def _load(self, channel: Channel) -> None:
        history, states = self._threads.run(reading.history, self._runtime.database, channel.project_id)
        channel.tally.load(history, clock.now_us())
        self._read(channel, states)
        channel.ready = True
        waiting, channel.waiting = channel.waiting, []
        for appended in waiting:
            self._count(channel, appended)
        channel.fresh.clear()

    def _read(self, channel: Channel, states: list[reading.BatchState]) -> None:
        """Count the batches that have events which are not counted yet."""
        behind = [state.id for state in states if channel.tally.missing(state.id, state.event_count)]
        for start in range(0, len(behind), 20):
            chunk = behind[start : start + 20]
            loaded = self._threads.run(lambda ids=chunk: list(reading.rows_of(self._runtime.database, ids)))
            for batch_id, rows in loaded:
                at = clock.now_us()
                new = set(channel.tally.add(batch_id, [seen for seen, _shown in rows], at))
                channel.fresh += [shown for seen, shown in rows if seen.event_id in new]
                channel.changed = channel.changed or bool(new)
        for state in states:
            if state.sealed:
                channel.tally.close(state.id, state.event_count, clock.now_us())

    def _stored(self, appended: Appended) -> None:
        """This process's writer has committed; runs on the loop right after the acknowledgements."""
        if not self._channels:
            return
        for project_id in {rows[0].project_id for _batch, rows in appended.stored}:
            channel = self._channels.get(project_id)
            if channel is None:
                continue
            if channel.ready:
                self._count(channel, appended)
            else:
                channel.waiting.append(appended)

    def _count(self, channel: Channel, appended: Appended) -> None:
        at = clock.now_us()
        for batch, rows in appended.stored:
            if rows[0].project_id != channel.project_id:
                continue
            seen = [Seen(r.event_id, r.name, r.user_id, r.occurred_at, r.received_at, r.bot) for r in rows]
            channel.tally.add(batch.id, seen, at)
            if batch.id in appended.sealed:
                channel.tally.close(batch.id, batch.event_count, at)
            channel.fresh += [reading.shown(row) for row in rows[-SAMPLE:]]
            channel.changed = True

    def _tick_for_ever(self) -> None:
        """Twenty looks a second, so that a change waits 25 ms on average; two looks that send are 100 ms apart."""
        pause = 0.0
        while True:
            self._loop.sleep(max(TICK_SECONDS, pause))
            pause = 0.0
            for channel in list(self._channels.values()):
                if channel.ready and channel.changed and channel.viewers:
                    self._send(channel)
                    pause = 0.1

    def _send(self, channel: Channel) -> None:
        channel.changed = False
        fresh, channel.fresh = channel.fresh[-SAMPLE:], []
        if fresh:
            fresh.sort(key=lambda event: event["receivedAt"], reverse=True)
            self._emit(channel, "admin:event", {"project": channel.slug, "events": fresh})
        numbers = channel.tally.snapshot(clock.now_us(), series_seconds=10)
        self._emit(channel, "metrics_update", {"project": channel.slug, **numbers})

    def _emit(self, channel: Channel, name: str, payload: dict[str, Any]) -> None:
        # ignore_queue: every replica tells its own viewers
        self._socketio.server.emit(name, payload, room=channel.room, namespace=NAMESPACE, ignore_queue=True)

    def _check_for_ever(self) -> None:
        while True:
            self._loop.sleep(CHECK_SECONDS)
            for channel in list(self._channels.values()):
                if not channel.ready:
                    continue
                if not channel.viewers:
                    self._channels.pop(channel.project_id, None)
                    continue
                try:
                    self._check(channel)
                except (QuadraError, SQLAlchemyError) as error:
                    logger.warning("live.check.failed", extra={"reason": str(error)})

    def _check(self, channel: Channel) -> None:
        began = clock.now()
        states = self._threads.run(
            reading.changed,
            self._runtime.database,
            channel.project_id,
            since=channel.checked_at - OVERLAP,
            known=list(channel.tally.partial),
        )
        self._read(channel, states)
        channel.checked_at = began
        channel.tally.prune(clock.now_us())

    def _admit_for_ever(self) -> None:
        """Whoever was let in is asked again: keys are revoked, users disabled, sessions ended."""
        while True:
            self._loop.sleep(ADMIT_SECONDS)
            for sid, shown in list(self._shown.items()):
                try:
                    self._callers[sid] = self._threads.run(admit, self._runtime.database, shown, "viewer")
                except (Unauthorised, Forbidden):
                    self._socketio.server.disconnect(sid, namespace=NAMESPACE)
                except (QuadraError, SQLAlchemyError) as error:
                    logger.warning("live.check.failed", extra={"reason": str(error)})
                    break

    def _catch_up(self, channel: Channel, cursor: int) -> None:
        count, events = self._threads.run(
            reading.missed,
            self._runtime.database,
            channel.project_id,
            cursor,
            max_age=self._runtime.settings.batch_max_age,
        )
        payload = {"from": cursor // 1000, "to": clock.now_us() // 1000, "missed": count, "events": events}
        self._socketio.server.emit("catch_up", payload, to=_sid(), namespace=NAMESPACE)

    def _forget(self, channel: Channel, sid: str) -> None:
        channel.viewers.discard(sid)


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]
