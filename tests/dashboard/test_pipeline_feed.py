"""When the pipeline of a watched project is looked at: a page that is left open costs little."""

from __future__ import annotations

from quadra.core import clock
from quadra.dashboard.pipeline_feed import AWAKE_SECONDS, QUIET_SECONDS, Changes, Feed, ReadUntil


def looks(feed: Feed, at: list[float], turns: int) -> int:
    """How many of so many turns look, four a second."""
    found = 0
    for _ in range(turns):
        found += feed.due()
        at[0] += 0.25
    return found


def test_nothing_that_moves_is_looked_at_once_a_second_and_else_each_turn() -> None:
    at = [1000.0]
    feed = Feed("shop", seconds=lambda: at[0])
    assert looks(feed, at, 40) == 10 / QUIET_SECONDS
    feed.moved()
    assert looks(feed, at, 40) == 40
    at[0] += AWAKE_SECONDS
    assert looks(feed, at, 40) == 10 / QUIET_SECONDS


def test_news_wake_it_and_the_same_again_do_not() -> None:
    at = [1000.0]
    feed = Feed("shop", seconds=lambda: at[0])
    found = Changes(clock.now(), [], [], [], [], [ReadUntil("batches", "2026-03-08T10:00:00.000Z")])
    assert feed.news(found)
    assert looks(feed, at, 8) == 8
    at[0] += AWAKE_SECONDS
    assert not feed.news(found)
    assert looks(feed, at, 8) == 2
