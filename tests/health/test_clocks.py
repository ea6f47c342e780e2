"""Clocks that differ are told, by which process sees them and however it came to know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quadra.core import clock
from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.health.checks.clocks import clocks, heard
from quadra.health.context import Beat, CheckContext
from quadra.health.verdict import DEGRADED, HEALTHY
from quadra.jobs.tables import WorkerRow
from tests.servers.schema import bring_up

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def apart(*looks: tuple[float, float]) -> list[float]:
    """What is known after each look: (our clock at the look, the heartbeat that it found)."""
    known: dict[str, Beat] = {}
    found = []
    for at, beat in looks:
        known = heard(known, {"worker": after(beat)}, after(at), after(at + 0.5))
        found.append(known["worker"].apart.total_seconds())
    return found


def test_a_heartbeat_from_the_future_is_of_a_clock_that_is_ahead() -> None:
    assert apart((0, 60)) == [59.5]


def test_an_old_heartbeat_proves_nothing_until_it_moves() -> None:
    assert apart((0, -600), (20, -600), (40, -570)) == [0, 0, -590]


def test_what_moved_between_two_looks_was_made_between_them() -> None:
    assert apart((0, -5), (20, 3), (40, 25), (60, 59), (80, 82)) == [0, 0, 0, 0, 1.5]


def test_what_is_known_stays_until_the_heartbeat_moves() -> None:
    assert apart((0, 60), (20, 60), (40, 41)) == [59.5, 59.5, 0.5]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[CheckContext]:
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    bring_up(database)
    yield CheckContext(Runtime(load(data_dir=tmp_path), database), "web")
    database.dispose()


def beat(context: CheckContext, at: datetime) -> None:
    with context.runtime.database.begin() as session:
        session.merge(WorkerRow(name="far:7", kinds=[], concurrency=1, heartbeat_at=at))


@pytest.mark.parametrize(("seconds", "said"), [(300, "ahead"), (-300, "behind")])
def test_a_worker_whose_clock_differs_is_named(context: CheckContext, seconds: int, said: str) -> None:
    beat(context, clock.now() + timedelta(seconds=seconds - 1))
    clocks(context)
    beat(context, clock.now() + timedelta(seconds=seconds))
    found = clocks(context)
    assert found.status == DEGRADED
    assert "worker far:7 by " in found.message
    assert f" s {said}" in found.message
    assert found.details["seconds"]["worker far:7"] == pytest.approx(seconds, abs=60)


def test_a_worker_whose_clock_is_right_is_not(context: CheckContext) -> None:
    for _ in range(2):
        beat(context, clock.now())
        found = clocks(context)
    assert found.status == HEALTHY
    assert found.details["seconds"] == {"worker far:7": 0.0}


def test_a_clock_that_the_database_does_not_share_is_told(
    any_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(any_database_url)
    try:
        bring_up(database)
        context = CheckContext(Runtime(load(data_dir=tmp_path, database_url=any_database_url), database), "web")
        assert clocks(context).status == HEALTHY
        right = clock.now
        monkeypatch.setattr(clock, "now", lambda: right() + timedelta(minutes=5))
        found = clocks(context)
    finally:
        database.dispose()
    if any_database_url.startswith("sqlite"):  # which has the clock of whoever asks
        assert found.status == HEALTHY
    else:
        assert found.status == DEGRADED
        assert found.details["seconds"]["the database"] == pytest.approx(-300, abs=60)
