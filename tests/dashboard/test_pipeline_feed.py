"""When the pipeline of a watched project is looked at: a page that is left open costs little."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Base, Database
from quadra.dashboard.pipeline_feed import AWAKE_SECONDS, Changes, Feed, ReadUntil, changes
from quadra.field.bodies import Training, TrainingMetrics
from quadra.field.tables import FieldState, SignalProgress
from quadra.ingest.tables import Batch
from quadra.insights.tables import Insight
from quadra.jobs.tables import Job

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


def begin(session: Session, at: datetime, name: str) -> None:
    session.add(Batch(id=name, project_id=1, writer="w", event_count=1, opened_at=at))


def grow(session: Session, _at: datetime, _name: str) -> None:
    session.execute(sa.update(Batch).where(Batch.status == "OPEN").values(event_count=Batch.event_count + 1))


def seal(session: Session, at: datetime, _name: str) -> None:
    session.execute(sa.update(Batch).where(Batch.status == "OPEN").values(status="SEALED", sealed_at=at))


def enqueue(session: Session, at: datetime, name: str) -> None:
    session.add(Job(id=name, kind="k", project_id=1, batch_id="1", available_at=at, created_at=at, updated_at=at))


def end(session: Session, at: datetime, _name: str) -> None:
    session.execute(sa.update(Job).values(state="SUCCESS", updated_at=at))


def find(session: Session, at: datetime, name: str) -> None:
    text = {"analyst": name, "summary": "", "confidence": 1.0}
    session.add(Insight(id=name, project_id=1, batch_id=None, event_count=1, created_at=at, **text))


def go_on(session: Session, at: datetime, _name: str) -> None:
    session.execute(sa.update(Insight).values(updated_at=at))


def learn(session: Session, at: datetime, _name: str) -> None:
    session.merge(FieldState(project_id=1, data="", updated_at=at))


def judge(session: Session, at: datetime, _name: str) -> None:
    session.merge(SignalProgress(project_id=1, until_at=at, saved_at=at))


MOVES: tuple[Callable[[Session, datetime, str], None], ...] = (
    begin, grow, seal, enqueue, end, find, go_on, learn, judge,
)  # fmt: skip


def test_a_look_that_is_spared_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against looks that are never spared, over a random history."""
    chance, at = random.Random(5), [clock.now()]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    database = Database("sqlite://")
    Base.metadata.create_all(database.engine)
    with database.begin() as session:
        create_project(session, name="Shop")
    quick, whole = Feed("shop"), Feed("shop")
    spared = told = 0
    for number in range(80):
        at[0] += timedelta(seconds=chance.choice((0.25, 1, 1, 5, 40)))
        if chance.random() < 0.4:
            with database.begin() as session:
                # a transaction that lasted for a moment before it is seen
                chance.choice(MOVES)(session, at[0] - timedelta(seconds=chance.random()), str(number))
        found = changes(database, 1, "shop", quick.since, quick.standing)
        spared += found.none
        news = quick.news(found)
        assert news == whole.news(changes(database, 1, "shop", whole.since, None)), number
        told += bool(news)
    database.dispose()
    assert spared > 20
    assert told > 10
