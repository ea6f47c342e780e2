"""Two real workers compact and merge and are killed again and again, while events come in and questions are asked."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quadra.core.runtime import Runtime
from quadra.warehouse.segments import sweeping
from quadra.warehouse.segments.verifying import live_segments, verify
from tests.jobs.processes import WorkerProcess
from tests.servers.keeper import Keeper
from tests.warehouse.conftest import compact_all, event, installation, numbers, scalar, store

KILLS = 3
MOST_SECONDS = 120
"""Two cores that are busy with other tests take seconds to start a worker."""


def start_worker(keeper: Keeper, runtime: Runtime, log: Path) -> WorkerProcess:
    """`quadra worker` as people run it."""
    return WorkerProcess(
        keeper,
        runtime.settings.database_url,
        log,
        "quadra",
        "worker",
        data_dir=str(runtime.settings.data_dir),
        self_observe="false",  # the events of the test and no others
        segment_events="200",
        segment_age="300ms",
        job_backoff="50ms",
        job_max_attempts="1000",
    )


@pytest.fixture
def shared(database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    with installation(database_url, tmp_path) as runtime:
        yield runtime


def compacted(runtime: Runtime) -> bool:
    return bool(scalar(runtime, "SELECT count(*) FROM batch WHERE segment_id IS NOT NULL"))


def test_questions_are_exact_while_workers_compact_and_die(shared: Runtime, keeper: Keeper, tmp_path: Path) -> None:
    chance = random.Random(1)
    stop = threading.Event()
    acknowledged = [0]
    wrong: list[str] = []
    asked = [0]

    def ask_for_ever() -> None:
        while not stop.is_set():
            before = acknowledged[0]
            seen = numbers(shared)
            if seen != list(range(len(seen))) or len(seen) < before:
                wrong.append(f"{before} were acknowledged, then {len(seen)} seen, {len(set(seen))} of them distinct")
            asked[0] += 1

    workers = [start_worker(keeper, shared, tmp_path / "worker.log") for _ in range(2)]
    asking = threading.Thread(target=ask_for_ever)
    asking.start()
    until = time.monotonic() + MOST_SECONDS
    kills, kill_at = 0, time.monotonic() + 5
    try:
        while time.monotonic() < until and (kills < KILLS or not compacted(shared)):
            first = acknowledged[0]
            rows = [event(number, days_ago=number % 3) for number in range(first, first + 50)]
            # one transaction, so that questions see none of them or all
            store(shared, rows, per_batch=50, seal=chance.random() < 0.5)
            acknowledged[0] += len(rows)
            if time.monotonic() > kill_at and (kills or compacted(shared)):
                number = chance.randrange(2)
                workers[number].kill()
                workers[number] = start_worker(keeper, shared, tmp_path / "worker.log")
                kills, kill_at = kills + 1, time.monotonic() + chance.uniform(0.5, 4)
            time.sleep(0.05)
    finally:
        stop.set()
        asking.join()
        for worker in workers:
            worker.kill()
    assert wrong == []
    assert asked[0] > 20
    assert kills >= KILLS, (tmp_path / "worker.log").read_text()[-3000:]
    assert compacted(shared), (tmp_path / "worker.log").read_text()[-3000:]
    every = list(range(acknowledged[0]))
    assert numbers(shared) == every
    compact_all(shared)
    sweeping.sweep(shared)
    sweeping.remove_orphans(shared, older_than_seconds=-60)
    assert numbers(shared) == every
    assert verify(shared) == []
    with shared.database.read() as session:
        assert sum(segment.rows for segment in live_segments(session)) == len(every)
