"""When the pipeline of a watched project is looked at: a page that is left open costs little."""

from __future__ import annotations

from quadra.core import clock
from quadra.dashboard.pipeline_feed import AWAKE_SECONDS, Changes, Feed, ReadUntil
from quadra.field.bodies import Training, TrainingMetrics

TRAINING = Training(
    training_id="t1",
    project="shop",
    status="running",
    message="",
    iteration=1,
    loss=None,
    reward=None,
    field_variance=None,
    elapsed_time=0.0,
    version=None,
    metrics=TrainingMetrics(history=[]),
)


def awake(feed: Feed, at: list[float], turns: int) -> int:
    """In how many of so many turns, four a second."""
    found = 0
    for _ in range(turns):
        found += feed.awake
        at[0] += 0.25
    return found


def test_each_turn_looks_for_a_while_after_something_moved() -> None:
    at = [1000.0]
    feed = Feed("shop", seconds=lambda: at[0])
    assert awake(feed, at, 4) == 0
    feed.moved()
    assert awake(feed, at, 40) == 40
    at[0] += AWAKE_SECONDS
    assert awake(feed, at, 4) == 0


def test_news_wake_it_and_the_same_again_do_not() -> None:
    at = [1000.0]
    feed = Feed("shop", seconds=lambda: at[0])
    found = Changes(clock.now(), [], [], [], [TRAINING], [])
    assert feed.news(found)
    assert awake(feed, at, 8) == 8
    at[0] += AWAKE_SECONDS
    assert not feed.news(found)
    assert awake(feed, at, 8) == 0


def test_what_the_field_has_read_is_told_and_wakes_nobody() -> None:
    at = [1000.0]
    feed = Feed("shop", seconds=lambda: at[0])
    assert feed.news(Changes(clock.now(), [], [], [], [], [ReadUntil("signals", "2026-03-08T10:00:00.000Z")]))
    assert awake(feed, at, 4) == 0
