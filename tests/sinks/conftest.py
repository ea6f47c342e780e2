"""A migrated database with sealed batches, and the jobs of sinks done at once on the thread of the test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.jobs.claim import claim
from quadra.jobs.run import Ended, Run
from quadra.sinks.handlers import handlers
from quadra.sinks.state import SinkState, sink_states
from quadra.sinks.upkeep import plan
from tests.insights.conftest import event, fill, opened
from tests.sinks.kafka_cluster import KafkaCluster, kafka_cluster

Make = Callable[..., Runtime]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaCluster]:
    with kafka_cluster() as cluster:
        yield cluster


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make(kafka_brokers=…)`: a runtime over a database of its own, which has the project 1."""
    with ExitStack() as stack:
        numbers = itertools.count()

        def made(url: str | None = None, **settings: Any) -> Runtime:
            directory = tmp_path / f"{next(numbers)}"
            directory.mkdir()
            runtime = stack.enter_context(
                opened(url or f"sqlite:///{directory / 'quadra.db'}", data_dir=directory, **settings)
            )
            stack.callback(runtime.close)
            return runtime

        yield made


def seal(runtime: Runtime, *names: str, **fields: Any) -> list[str]:
    """A sealed batch of events with these names, each received later than the one before; their ids."""
    began = clock.now_us()
    rows = [event(name=name, event_type=name, received_at=began + at, **fields) for at, name in enumerate(names)]
    fill(runtime, rows, jobs=False)
    return [row.event_id for row in rows]


def take(runtime: Runtime, sink: str, **how: Any) -> Run | None:
    """What the upkeep of a worker and its executor do: fill the queue and claim the job."""
    plan(runtime, **how)
    known = handlers(runtime.settings)
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=[f"deliver_{sink}"], limit=1, length=runtime.settings.job_lease)
    return Run(jobs[0], known[jobs[0].kind], runtime.settings.job_lease) if jobs else None


def do(runtime: Runtime, sink: str, **how: Any) -> Ended | None:
    """One job of a sink; None where there is none to do."""
    run = take(runtime, sink, **how)
    return run.work(runtime, runtime.settings.job_backoff) if run else None


def state(runtime: Runtime, sink: str) -> SinkState:
    with runtime.database.read() as session:
        return next(one for one in sink_states(session, runtime.settings) if one.name == sink)
