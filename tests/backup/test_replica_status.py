"""Replication as both sides tell it, on a real primary with a real replica."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from quadra.backup.replica.status import replication_status
from quadra.core.errors import Unavailable
from quadra.core.settings import load
from tests.backup.conftest import sql
from tests.waiting import eventually


@pytest.fixture(scope="module")
def replica(pair):
    pair.primary.execute("CREATE TABLE line (at timestamptz DEFAULT now(), word text)")
    return pair.replica()


def test_a_replica_that_follows_is_healthy_with_no_lag(pair, replica):
    pair.primary.execute("INSERT INTO line (word) VALUES ('x')")

    status = eventually(lambda: _caught_up(pair, replica))

    assert status.replication_enabled is True
    assert status.replica_count == 1
    assert status.overall_status == "healthy"
    (seen,) = status.replicas
    assert (seen.client_addr, seen.state, seen.sync_state) == ("127.0.0.1", "streaming", "async")
    assert (seen.lag_bytes, seen.lag_seconds, seen.status) == (0, 0.0, "healthy")
    assert status.configured[0].in_recovery is True


def test_an_idle_primary_does_not_look_like_lag(pair, replica):
    """The last transaction's age is what naive checks take for lag."""
    pair.primary.execute("INSERT INTO line (word) VALUES ('y')")
    eventually(lambda: _caught_up(pair, replica))
    time.sleep(1.2)

    settings = pair.settings(replica, replica_lag_degraded=timedelta(seconds=1))
    # what looks like lag only grows; what a busy machine delays comes
    eventually(lambda: replication_status(settings).overall_status == "healthy", 10)


def test_a_replica_that_does_not_replay_lags_in_bytes_and_seconds_and_is_named(pair, replica):
    with sql(replica) as there:
        there.execute("SELECT pg_wal_replay_pause()")
        eventually(lambda: there.execute("SELECT pg_get_wal_replay_pause_state() = 'paused'").fetchone()[0])
    settings = pair.settings(
        replica, replica_lag_degraded=timedelta(seconds=0.2), replica_lag_unhealthy=timedelta(seconds=600)
    )

    def degraded() -> Any:
        pair.primary.execute("INSERT INTO line (word) SELECT repeat('z', 100) FROM generate_series(1, 100)")
        status = replication_status(settings)
        return status if status.replicas[0].status == "degraded" else None

    try:
        status = eventually(degraded)
        assert status.overall_status == "degraded"
        assert status.replicas[0].lag_bytes > 1000
        assert status.replicas[0].lag_seconds >= 0.2
        assert status.configured[0].message.startswith("Its replay is paused")
    finally:
        replica.execute("SELECT pg_wal_replay_resume()")


def test_a_configured_replica_that_is_gone_is_unhealthy(pair, replica):
    replica.stop()
    try:
        status = replication_status(pair.settings(replica))
    finally:
        replica.start()

    assert status.overall_status == "unhealthy"
    assert "does not answer" in status.configured[0].message


def test_a_primary_where_a_replica_should_be_is_unhealthy(pair, replica):
    status = replication_status(pair.settings(replica, pair.primary))

    assert status.overall_status == "unhealthy"
    assert "takes writes itself" in status.configured[1].message


def test_a_role_that_may_see_nothing_is_told_what_to_grant(pair, replica):
    pair.primary.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    url = pair.primary.url.replace("quadra:quadra@", "plain:plain@")

    status = replication_status(load(database_url=url))

    assert "GRANT pg_monitor" in status.replicas[0].message


def test_the_command_prints_both_sides(pair, replica, run_quadra):
    done = run_quadra(pair.environment(replica), "replica", "status")

    assert done.returncode == 0, done.stderr
    assert "As the primary sees them:" in done.stdout
    assert f"127.0.0.1:{replica.port}" in done.stdout


def test_a_primary_that_is_away_is_said_to_be(pair):
    settings = load(database_url="postgresql://quadra:quadra@127.0.0.1:1/postgres")

    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"):
        replication_status(settings)


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db", "mysql://quadra:quadra@127.0.0.1:1/quadra"])
def test_other_databases_are_honestly_not_enabled(url):
    status = replication_status(load(database_url=url))

    assert (status.replication_enabled, status.replica_count) == (False, 0)
    assert status.overall_status == "not_enabled"
    assert "backup" in status.message


def _caught_up(pair, replica) -> Any:
    status = replication_status(pair.settings(replica))
    return status if status.replicas and status.replicas[0].lag_bytes == 0 else None
