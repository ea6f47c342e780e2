"""What the field calls anomalous becomes one insight, however long it lasts, and its batches are analysed first."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.field.features import Sight
from quadra.ingest.accept import Row
from quadra.ingest.log import Log
from quadra.insights import unusual
from quadra.insights.tables import Insight
from quadra.job_kinds import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.handlers import batch_kinds
from quadra.jobs.run import Run
from quadra.jobs.tables import Job
from tests.field.traffic import batch
from tests.insights.conftest import opened

_numbers = iter(range(10**9))


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}", data_dir=tmp_path) as runtime:
        yield runtime
        runtime.close()


def store(runtime: Runtime, sights: list[Sight]) -> str:
    now = clock.now_us()
    rows = [
        Row(
            project_id=1,
            event_id=f"e{next(_numbers)}",
            kind="event",
            name=sight.name,
            event_type=sight.name,
            page_url=sight.page_url,
            session_id=sight.who,
            occurred_at=now - 900_000_000 + sight.occurred_us,
            received_at=now,
        )
        for sight in sights
    ]
    log = Log(runtime.database, writer="test", batch_max_events=len(rows), job_kinds=batch_kinds(HANDLERS))
    return log.append(rows).sealed[0]


def learn(runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=["field"], limit=1, length=runtime.settings.job_lease)
    Run(job, HANDLERS["field"], runtime.settings.job_lease).work(runtime, runtime.settings.job_backoff)


def usual(runtime: Runtime, source: random.Random, count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(store(runtime, batch(source, 0.0, size=60)))
        learn(runtime)
    return found


def errors(runtime: Runtime, source: random.Random) -> str:
    batch_id = store(runtime, [sight._replace(name="error") for sight in batch(source, 0.0, size=60)])
    learn(runtime)
    return batch_id


def insights(runtime: Runtime) -> list[Insight]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(Insight).where(Insight.analyst == "field").order_by(Insight.created_at)))


def priority(runtime: Runtime, batch_id: str) -> int:
    with runtime.database.read() as session:
        return session.scalar(sa.select(Job.priority).where(Job.batch_id == batch_id, Job.kind == "analyse")) or 0


def test_an_anomaly_that_lasts_is_one_insight_and_is_analysed_first(runtime: Runtime) -> None:
    source = random.Random(1)
    ordinary = usual(runtime, source, 25)
    assert insights(runtime) == []
    first = errors(runtime, source)
    (begun,) = insights(runtime)
    assert (begun.batch_id, begun.event_count) == (first, 60)
    assert "“error” is 100 % of all events" in begun.summary
    assert begun.evidence["novelty_z"] >= 3.5
    assert priority(runtime, first) < priority(runtime, ordinary[-1])
    second = errors(runtime, source)
    (gone_on,) = insights(runtime)
    assert gone_on.id == begun.id
    assert (gone_on.evidence["batches"], gone_on.evidence["last_batch_id"]) == (2, second)
    assert gone_on.event_count == 120
    assert gone_on.summary.startswith("Since ")
    assert "2 batches" in gone_on.summary


def test_an_anomaly_that_comes_again_later_is_another_insight(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unusual, "GOES_ON", 2)
    source = random.Random(2)
    usual(runtime, source, 25)
    errors(runtime, source)
    usual(runtime, source, 30)
    errors(runtime, source)
    assert len(insights(runtime)) == 2


def test_usual_traffic_says_nothing(runtime: Runtime) -> None:
    usual(runtime, random.Random(3), 40)
    assert insights(runtime) == []
