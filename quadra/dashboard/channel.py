"""A project that somebody watches through this process: its numbers, its viewers, and what they are still to be sent."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from quadra.core import clock
from quadra.core.commits import Stamp
from quadra.dashboard import reading
from quadra.dashboard.messages import CatchUp, Numbers, ShownEvent, ShownProject
from quadra.dashboard.pipeline_feed import Feed
from quadra.dashboard.tally import SERIES_SECONDS, Seen, Tally
from quadra.ingest.log import Appended

SAMPLE = 10
"""Raw events sent in each PAUSE at the most."""
SAMPLE_MOST = 100
"""Raw events sent at once at the most."""


class Gap:
    """A time in which other processes could not be heard, and what they stored meanwhile."""

    def __init__(self) -> None:
        self.from_ms = clock.now_us() // 1000
        self.missed = 0
        self.events: list[ShownEvent] = []

    def add(self, events: list[ShownEvent]) -> None:
        self.missed += len(events)
        self.events = newest_first([*self.events, *events], reading.MAX_CAUGHT_UP)

    def message(self, slug: str) -> CatchUp:
        return CatchUp(slug, self.from_ms, clock.now_us() // 1000, self.missed, self.events)


class Channel:
    """One project that somebody watches."""

    def __init__(self, project_id: int, slug: str, name: str, timezone: str):
        self.project_id = project_id
        self.slug = slug
        self.project = ShownProject(slug, name, timezone)
        self.room = f"project:{project_id}"
        self.tally = Tally(ZoneInfo(timezone))
        self.viewers: set[str] = set()
        self.watched_at = clock.now()
        """When there was a viewer, at the last look."""
        self.ready = False
        self.waiting: list[Appended] = []
        """Flushes that came while the history was being read."""
        self.fresh: list[ShownEvent] = []
        self.changed = False
        self.ticking = False
        """Whether somebody waits to tell what changed."""
        self.sent_at = 0
        self.checked_at = self.deep_at = clock.now()
        self.looked: Stamp = None
        self.told_until: Stamp = None
        """As of which the batches, and the pipeline, were last read."""
        self.feed = Feed(slug)
        self.told: dict[str, reading.BatchState] = {}
        """Batches that other processes told of and that are not read yet."""
        self.reading_told = False
        self.gap: Gap | None = None

    @property
    def left(self) -> bool:
        """Whether it is kept for nobody. While it is read it is somebody's, who joins after that."""
        return self.ready and not self.viewers

    def snapshot(self) -> Numbers:
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
            self.show([reading.shown(row) for row in rows[-SAMPLE:]])
            self.changed = True
            self.feed.moved()

    def show(self, events: list[ShownEvent]) -> None:
        self.fresh += events
        if len(self.fresh) > 2 * SAMPLE_MOST:
            self.fresh = newest_first(self.fresh, SAMPLE_MOST)


def newest_first(events: list[ShownEvent], most: int) -> list[ShownEvent]:
    return sorted(events, key=lambda event: event.received_at, reverse=True)[:most]
