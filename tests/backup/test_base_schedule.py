"""Base backups by the clock, with a real PostgreSQL that archives: the first at once, then each week, old ones pruned."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.accounts.setup import initialise
from quadra.accounts.tables import Project
from quadra.backup.pitr import base_store, wal_chain
from quadra.backup.schedule import BASE, Schedule, base_overdue_at, entries
from quadra.backup.stores.stores import Stores
from quadra.backup.take import Busy, one_at_a_time
from quadra.core import clock, migrate
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.health.checks.backups import point_in_time
from quadra.health.context import CheckContext
from tests.backup.conftest import Pair, sql
from tests.waiting import eventually


@pytest.fixture(scope="module")
def runtime(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    made = build(pair.settings(data_dir=tmp_path_factory.mktemp("data"), base_keep=1))
    migrate.upgrade(made.database)
    yield made
    made.database.dispose()


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """It is a Wednesday at noon; `go(days=1)` makes it the Thursday after. The database's own clock is left alone."""
    now, today = clock.now, clock.now()
    noon = today.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=7 + (2 - today.weekday()) % 7)

    def leap(**ahead: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: now() + (noon - today) + timedelta(**ahead))

    leap()
    return leap


def bases(runtime: Runtime) -> list[str]:
    return [each.id for each in base_store.manifests(runtime.settings)]


def archive_log(pair: Pair) -> None:
    with sql(pair.primary) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS filling (x int)")
        connection.execute("INSERT INTO filling VALUES (1)")
        name = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()[0]
    eventually(lambda: name in wal_chain.archived(pair.archive.wal))


def test_base_backups_are_taken_proved_and_pruned_by_the_clock(
    pair: Pair, runtime: Runtime, go: Callable[..., None]
) -> None:
    context, worker = CheckContext(runtime, "worker"), Schedule(runtime.settings)
    with runtime.database.begin() as session:
        initialise(session, settings=runtime.settings)
        session.execute(sa.update(Project).values(created_at=clock.now()))
    assert point_in_time(context).status == "healthy"  # a new installation need not have one
    worker.tick(runtime)
    (first,) = bases(runtime)
    archive_log(pair)
    assert (point_in_time(context).status, point_in_time(context).details["base"]) == ("healthy", first)
    go(days=1)  # Thursday
    for one in (worker, Schedule(runtime.settings)):  # a worker that has just started finds it, too
        one.tick(runtime)
    assert bases(runtime) == [first]
    assert base_store.verified_at(runtime.settings, first)

    go(days=16)  # Friday; two Sundays were missed
    assert "16 days old" in point_in_time(context).message
    with one_at_a_time(base_store.directory(runtime.settings)):  # somebody else is at it
        worker.tick(runtime)
    assert bases(runtime) == [first]
    go(days=16, minutes=2)
    worker.tick(runtime)
    _, second = bases(runtime)  # the one before stays: this one is not proved
    go(days=17)
    worker.tick(runtime)
    assert base_store.verified_at(runtime.settings, second)
    go(days=18)  # Sunday
    worker.tick(runtime)
    assert bases(runtime)[0] == second
    assert len(bases(runtime)) == 2

    archive_log(pair)
    assert point_in_time(context).status == "healthy"
    start = wal_chain.lsn(base_store.manifests(runtime.settings)[0].facts.start_lsn)
    chain = wal_chain.follow(pair.archive.wal, timeline=1, start=start)
    assert chain.segments == tuple(wal_chain.archived(pair.archive.wal))  # and no older ones
    assert any(kept.manifest.kind == "full" for kept in Stores(runtime.settings).list())  # the others went on meanwhile


def test_a_failure_is_an_error_in_the_log_and_not_somebody_elses_turn(
    pair: Pair, runtime: Runtime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = build(pair.settings(data_dir=tmp_path, postgres_bin=tmp_path))
    Schedule(made.settings).tick(made)
    made.database.dispose()
    assert [
        (record.levelname, vars(record)["kind"]) for record in caplog.records if record.msg == "backup.run.failed"
    ] == [("ERROR", BASE)]
    assert base_store.manifests(made.settings) == []


def test_a_gap_in_the_archive_is_seen_by_the_check(pair: Pair, runtime: Runtime, tmp_path: Path) -> None:
    archive = tmp_path / "wal"
    settings = runtime.settings.model_copy(update={"wal_archive": archive, "data_dir": tmp_path})
    base_store.take(settings, lambda _done, _about: None)
    for _ in range(3):
        archive_log(pair)
    shutil.copytree(pair.archive.wal, archive)
    (archive / f"{wal_chain.archived(archive)[-2]}.gz").unlink()
    found = point_in_time(CheckContext(Runtime(settings, runtime.database), "worker"))
    assert (found.status, "is missing" in found.message) == ("degraded", True)


@pytest.mark.parametrize(
    ("given", "scheduled"),
    [
        ({"wal_archive": "/wal"}, ["0 1 * * 0"]),
        ({"wal_archive": "/wal", "base_schedule": "daily"}, ["0 1 * * *"]),
        ({"wal_archive": "/wal", "base_schedule": "30 22 * * 5"}, ["30 22 * * 5"]),
        ({"wal_archive": "/wal", "base_schedule": "never"}, []),
        ({}, []),
        ({"wal_archive": "/wal", "database_url": "sqlite://"}, []),
    ],
)
def test_only_an_archive_of_postgresqls_log_is_worth_base_backups(
    given: dict[str, str], scheduled: list[object]
) -> None:
    settings = load(**{"database_url": "postgresql://h/d", **given})
    assert [entry.cron for entry in entries(settings) if entry.what == BASE] == scheduled


def test_a_base_backup_is_overdue_after_two_missed_ones() -> None:
    settings = load(database_url="postgresql://h/d", wal_archive="/wal")
    sunday = datetime(2026, 3, 15, 1, 2, tzinfo=UTC)
    assert base_overdue_at(settings, sunday) == datetime(2026, 3, 30, 1, tzinfo=UTC)
    assert base_overdue_at(load(database_url="postgresql://h/d"), sunday) is None


def test_two_base_backups_are_never_taken_at_once(pair: Pair, tmp_path: Path) -> None:
    settings = pair.settings(data_dir=tmp_path)
    with one_at_a_time(base_store.directory(settings)):
        with pytest.raises(Busy):
            base_store.take(settings, lambda _done, _about: None)
        with pytest.raises(Busy):
            base_store.prune(settings, pair.archive.wal, keep=1)
