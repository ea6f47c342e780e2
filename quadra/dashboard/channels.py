"""The projects that somebody watches through this process, and what their viewers are sent.

Each web process computes the numbers of a project for its own viewers: from its own flushes at once, and from the database
for whatever other processes stored. So the totals are absolute and right without Redis. Everything here runs on the event
loop; what reads the database is handed to native threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.loop import Threads
from quadra.core.runtime import Runtime
from quadra.dashboard import reading
from quadra.dashboard.pipeline_feed import Feed, changes
from quadra.dashboard.tally import SERIES_SECONDS, Seen, Tally
from quadra.ingest.log import Appended

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05
"""How often is looked whether something changed: a change waits half of it on average."""
PAUSE_SECONDS = 0.1
"""Between two messages with numbers to one project's viewers."""
CHECK_SECONDS = 1.0
"""How often batches of other processes are looked for."""
FEED_SECONDS = 0.25
"""How often changed batches, jobs and insights are looked for."""
SAMPLE = 10
"""Raw events sent at once at the most."""
TICK_SERIES_SECONDS = 10
OVERLAP = timedelta(seconds=15)
"""How far back each look for new batches reaches: clocks differ and transactions take time."""

Emit = Callable[[str, str, dict[str, Any]], None]
"""(room, message name, payload)"""


class Channel:
    """One project that somebody watches."""

    def __init__(self, project_id: int, slug: str, name: str, timezone: str):
        self.project_id = project_id
        self.slug = slug
        self.project = {"slug": slug, "name": name, "timezone": timezone}
        self.room = f"project:{project_id}"
        self.tally = Tally(ZoneInfo(timezone))
        self.viewers: set[str] = set()
        self.ready = False
        self.waiting: list[Appended] = []
        """Flushes that came while the history was being read."""
        self.fresh: list[dict[str, Any]] = []
        self.changed = False
        self.sent_at = 0
        self.checked_at = clock.now()
        self.feed = Feed(slug)

    def snapshot(self) -> dict[str, Any]:
        """All numbers, with arrivals as far back as the page shows them."""
        return self.tally.snapshot(clock.now_us(), series_seconds=SERIES_SECONDS)

    def count(self, appended: Appended) -> None:
        """What this process's writer has just stored."""
        at = clock.now_us()
        for batch, rows in appended.stored:
            if rows[0].project_id != self.project_id:
                continue
            seen = [Seen(r.event_id, r.name, r.user_id, r.occurred_at, r.received_at, r.bot) for r in rows]
            self.tally.add(batch.id, seen, at)
            if batch.id in appended.sealed:
                self.tally.close(batch.id, batch.event_count, at)
            self.fresh += [reading.shown(row) for row in rows[-SAMPLE:]]
            self.changed = True


class Channels:
    """All channels of this process, and the loops that keep them true."""

    def __init__(self, runtime: Runtime, threads: Threads, emit: Emit):
        self._runtime = runtime
        self._database = runtime.database
        self._loop = runtime.loop
        self._threads = threads
        self._emit = emit
        self._open: dict[int, Channel] = {}

    def start(self) -> None:
        for seconds, turn in ((TICK_SECONDS, self._tick), (CHECK_SECONDS, self._check), (FEED_SECONDS, self._tell)):
            self._loop.spawn(self._for_ever, seconds, turn)

    def open(self, project_id: int, slug: str, name: str, timezone: str) -> Channel:
        """The channel of a project, with its history read. Raises `Unavailable`."""
        channel = self._open.get(project_id)
        if channel is None:
            channel = self._open[project_id] = Channel(project_id, slug, name, timezone)
            try:
                self._load(channel)
            except BaseException:
                self._open.pop(project_id, None)
                raise
        while not channel.ready:  # another viewer's join is reading it
            self._loop.sleep(0.01)
            if self._open.get(project_id) is not channel:
                return self.open(project_id, slug, name, timezone)
        return channel

    def of(self, viewer: str) -> list[Channel]:
        return [channel for channel in self._open.values() if viewer in channel.viewers]

    def stored(self, appended: Appended) -> None:
        """This process's writer has committed; runs right after the acknowledgements."""
        if not self._open:
            return
        for project_id in {rows[0].project_id for _batch, rows in appended.stored}:
            channel = self._open.get(project_id)
            if channel is not None and channel.ready:
                channel.count(appended)
            elif channel is not None:
                channel.waiting.append(appended)

    def _for_ever(self, seconds: float, turn: Callable[[Channel], None]) -> None:
        while True:
            self._loop.sleep(seconds)
            for channel in list(self._open.values()):
                if not channel.ready:
                    continue
                try:
                    turn(channel)
                except (QuadraError, SQLAlchemyError) as error:
                    logger.warning("live.turn.postponed", extra={"turn": turn.__name__, "reason": str(error)})
                except Exception:
                    logger.exception("live.turn.failed", extra={"turn": turn.__name__})

    def _tick(self, channel: Channel) -> None:
        at = clock.now_us()
        if not channel.changed or not channel.viewers or at - channel.sent_at < PAUSE_SECONDS * 1_000_000:
            return
        channel.changed, channel.sent_at = False, at
        fresh, channel.fresh = channel.fresh[-SAMPLE:], []
        if fresh:
            fresh.sort(key=lambda event: event["receivedAt"], reverse=True)
            self._emit(channel.room, "admin:event", {"project": channel.slug, "events": fresh})
        numbers = channel.tally.snapshot(at, series_seconds=TICK_SERIES_SECONDS)
        self._emit(channel.room, "metrics_update", {"project": channel.slug, **numbers})

    def _check(self, channel: Channel) -> None:
        """Count what other processes stored; forget the channel when nobody watches."""
        if not channel.viewers:
            self._open.pop(channel.project_id, None)
            return
        began = clock.now()
        since, known = channel.checked_at - OVERLAP, list(channel.tally.partial)
        states = self._threads.run(reading.changed, self._database, channel.project_id, since=since, known=known)
        self._read(channel, states)
        channel.checked_at = began
        channel.tally.prune(clock.now_us())

    def _tell(self, channel: Channel) -> None:
        """What moved in the pipeline."""
        if not channel.viewers:
            return
        found = self._threads.run(changes, self._database, channel.project_id, channel.slug, channel.feed.since)
        for name, payload in channel.feed.news(found).items():
            self._emit(channel.room, name, payload)

    def _load(self, channel: Channel) -> None:
        history, states = self._threads.run(reading.history, self._database, channel.project_id)
        channel.tally.load(history, clock.now_us())
        self._read(channel, states)
        channel.ready = True
        waiting, channel.waiting = channel.waiting, []
        for appended in waiting:
            channel.count(appended)
        channel.fresh.clear()

    def _read(self, channel: Channel, states: list[reading.BatchState]) -> None:
        """Count the batches that have events which are not counted yet."""
        for state in states:
            if channel.tally.missing(state.id, state.event_count):
                rows = self._threads.run(reading.rows_of, self._database, state.id)
                new = set(channel.tally.add(state.id, [seen for seen, _shown in rows], clock.now_us()))
                channel.fresh += [shown for seen, shown in rows if seen.event_id in new]
                channel.changed = channel.changed or bool(new)
            if state.sealed:
                channel.tally.close(state.id, state.event_count, clock.now_us())
