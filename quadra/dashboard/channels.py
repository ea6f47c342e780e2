"""The projects that somebody watches through this process, and what their viewers are sent.

Each web process computes the numbers of a project for its own viewers: from its own flushes at once, and from the database
for whatever other processes stored, as soon as they say so over Redis and once a second in any case. So the totals are
absolute and right without Redis. Everything here runs on the event loop; what reads the database is handed to native threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import structs
from sqlalchemy.exc import SQLAlchemyError

from quadra.core import clock
from quadra.core.commits import Commits, Stamp
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Threads, until_next
from quadra.dashboard import reading
from quadra.dashboard.channel import SAMPLE, SAMPLE_MOST, Channel, Gap, newest_first
from quadra.dashboard.messages import Shown, ShownProject, Update
from quadra.dashboard.pipeline_feed import changes
from quadra.dashboard.replicas import Replicas
from quadra.ingest.log import Appended

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1
"""Between two messages with numbers to one project's viewers."""
TURN_SECONDS = 0.25
"""How often changed batches, jobs and insights are looked for while something moves."""
TURNS = 4
"""Each of so many is a whole one: it looks for batches of other processes, whether or not anybody told of them."""
LEFT = timedelta(seconds=10)
"""How long a channel that nobody watches is kept: who goes from one page to the next comes back to it, and reads nothing anew."""
DEEP_SECONDS = 30.0
"""How often is looked far back, and whether or not anything was committed."""
TICK_SERIES_SECONDS = 10
OVERLAP = timedelta(seconds=15)
"""How far back each look for new batches reaches: clocks differ and transactions take time."""
DEEP_OVERLAP = timedelta(minutes=3)
"""How far back a deep look reaches: for a transaction that hung before it was committed."""

Emit = Callable[[str, str, object], None]
"""(room, message name, payload)"""


class Channels:
    """All channels of this process, and the loops that keep them true."""

    def __init__(self, runtime: Runtime, threads: Threads, emit: Emit):
        self._runtime = runtime
        self._database = runtime.database
        self._loop = runtime.loop
        self._threads = threads
        self._emit = emit
        self._open: dict[int, Channel] = {}
        self._replicas = Replicas(runtime.bus, runtime.loop, hear=self._hear, changed=self._queue_changed)

    def start(self) -> None:
        self._replicas.start()
        self._loop.spawn(self._look_for_ever)

    def open(self, project_id: int, slug: str, name: str, timezone: str) -> Channel:
        """The channel of a project, with its history read. Raises `Unavailable`."""
        channel = self._open.get(project_id)
        if channel is None or (channel.left and channel.project != ShownProject(slug, name, timezone)):
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
        if channel.left:
            channel.watched_at = clock.now()
            self._look(channel, deep=False)
            if self._open.get(project_id) is not channel:  # given up, or read anew, meanwhile
                return self.open(project_id, slug, name, timezone)
        return channel

    def of(self, viewer: str) -> list[Channel]:
        return [channel for channel in self._open.values() if viewer in channel.viewers]

    def stored(self, appended: Appended) -> None:
        """This process's writer has committed; runs right after the acknowledgements."""
        self._replicas.tell(appended)
        if not self._open:
            return
        for project_id in {rows[0].project_id for _batch, rows in appended.stored}:
            channel = self._open.get(project_id)
            if channel is not None and channel.ready:
                channel.count(appended)
                self._tick(channel)  # at once, unless the viewers were told a moment ago
            elif channel is not None:
                channel.waiting.append(appended)

    def _look_for_ever(self) -> None:
        turn = 0
        while True:
            self._loop.sleep(until_next(TURN_SECONDS))
            turn += 1
            whole = turn % TURNS == 0
            ready = [channel for channel in self._open.values() if channel.ready]
            if due := [channel for channel in ready if whole or channel.feed.awake]:
                self._try(self._look_at, due, whole)

    def _look_at(self, due: list[Channel], whole: bool) -> None:
        stamp = self._threads.run(self._runtime.the(Commits).stamp)
        for channel in due:
            self._try(self._turn, channel, stamp, whole)

    def _try(self, task: Callable[..., None], *arguments: Any) -> None:
        try:
            task(*arguments)
        except (QuadraError, SQLAlchemyError) as error:
            logger.warning("live.tick.postponed", extra={"task": task.__name__, "reason": str(error)})
        except Exception:
            logger.exception("live.tick.failed", extra={"task": task.__name__})

    def _turn(self, channel: Channel, stamp: Stamp, whole: bool) -> None:
        """Look for what other processes stored and did, where anything was committed since the last such look; forget the
        channel when nobody has watched for a while: who comes before that looks by themselves."""
        if not channel.viewers:
            channel.fresh.clear()
            if clock.now() - channel.watched_at > LEFT:
                self._open.pop(channel.project_id, None)
            return
        channel.watched_at = clock.now()
        deep = clock.now() - channel.deep_at > timedelta(seconds=DEEP_SECONDS)
        if whole and (deep or stamp is None or stamp != channel.looked):
            self._look(channel, deep=deep)
            channel.looked = stamp
            self._tick(channel)
        if deep or stamp is None or stamp != channel.told_until:
            self._tell(channel)
            channel.told_until = stamp
        channel.tally.prune(clock.now_us())

    def _tick(self, channel: Channel) -> None:
        """Tell the viewers what changed: now, or when the pause is over."""
        if not channel.changed or not channel.viewers:
            return
        at = clock.now_us()
        pauses = (at - channel.sent_at) / (PAUSE_SECONDS * 1_000_000)
        if pauses < 1:
            if not channel.ticking:
                channel.ticking = True
                self._loop.spawn(self._tick_later, channel, (1 - max(0.0, pauses)) * PAUSE_SECONDS)
            return
        channel.changed, channel.sent_at = False, at
        # after a quiet moment more at once: nothing is left out that would have been sent one by one
        fresh = newest_first(channel.fresh, int(min(SAMPLE * pauses, SAMPLE_MOST)))
        channel.fresh = []
        if fresh:
            self._emit(channel.room, "admin:event", Shown(channel.slug, fresh))
        numbers = channel.tally.snapshot(at, series_seconds=TICK_SERIES_SECONDS)
        self._emit(channel.room, "metrics_update", Update(**structs.asdict(numbers), project=channel.slug))

    def _tick_later(self, channel: Channel, seconds: float) -> None:
        self._loop.sleep(seconds)
        channel.ticking = False
        self._try(self._tick, channel)

    def _look(self, channel: Channel, *, deep: bool) -> None:
        """Find in the database what is not counted yet."""
        began = clock.now()
        since, known = channel.checked_at - (DEEP_OVERLAP if deep else OVERLAP), list(channel.tally.partial)
        states = self._threads.run(reading.changed, self._database, channel.project_id, since=since, known=known)
        self._read(channel, states)
        # a project's open batch may be removed when everything in it was erased
        channel.tally.forget(set(known) - {state.id for state in states}, clock.now_us())
        channel.checked_at = began
        if deep:
            channel.deep_at = began

    def _hear(self, project_id: int, states: list[reading.BatchState]) -> None:
        """Another process has stored something. Read on one greenlet for each channel; what comes meanwhile is next."""
        channel = self._open.get(project_id)
        if channel is None or not channel.ready or not channel.viewers:
            return
        for state in states:
            channel.told[state.id] = state
        if not channel.reading_told:
            channel.reading_told = True
            self._loop.spawn(self._read_told, channel)

    def _read_told(self, channel: Channel) -> None:
        try:
            while channel.told:
                told, channel.told = list(channel.told.values()), {}
                self._read(channel, told)
                self._tick(channel)
        except (QuadraError, SQLAlchemyError) as error:
            logger.warning("live.tick.postponed", extra={"task": "news", "reason": str(error)})
        except Exception:
            logger.exception("live.tick.failed", extra={"task": "news"})
        finally:
            channel.reading_told = False

    def _queue_changed(self, alive: bool) -> None:
        """Redis went away, or is back."""
        for channel in list(self._open.values()):
            if not alive:
                channel.gap = channel.gap or Gap()
            elif channel.gap is not None:
                self._loop.spawn(self._close_gap, channel)

    def _close_gap(self, channel: Channel) -> None:
        """Find what may have been lost with the messages about it, and tell the viewers what they saw late."""
        while (gap := channel.gap) is not None and self._open.get(channel.project_id) is channel:
            try:
                self._look(channel, deep=True)
            except (QuadraError, SQLAlchemyError) as error:
                logger.warning("live.tick.postponed", extra={"task": "gap", "reason": str(error)})
                self._loop.sleep(TURN_SECONDS * TURNS)
                continue
            if channel.gap is not gap:  # somebody else has closed it meanwhile
                continue
            channel.gap = None
            self._tick(channel)
            if gap.missed:
                self._emit(channel.room, "catch_up", gap.message(channel.slug))

    def _tell(self, channel: Channel) -> None:
        """What moved in the pipeline."""
        feed = channel.feed
        found = self._threads.run(changes, self._database, channel.project_id, channel.slug, feed.since, feed.standing)
        for name, payload in feed.news(found).items():
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
                events = [shown for seen, shown in rows if seen.event_id in new]
                channel.show(events)
                if new:
                    channel.changed = True
                    channel.feed.moved()
                if channel.gap is not None:
                    channel.gap.add(events)
            if state.sealed:
                channel.tally.close(state.id, state.event_count, clock.now_us())
