"""The rules of single checks, each at its edge, and what is kept of reports: on a database, without a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import to_builtins
from sqlalchemy.exc import OperationalError

from quadra.core import clock
from quadra.core.database import POOL_OVERFLOW, Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.health import history, status
from quadra.health.checks import CHECKS
from quadra.health.checks.ai import ai_provider
from quadra.health.checks.backlog import backlog, dead_letters, workers
from quadra.health.checks.database import connection_pool, database_write, migrations
from quadra.health.context import CheckContext
from quadra.health.runner import Runner
from quadra.health.tables import HealthReport
from quadra.health.verdict import Found
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job, WorkerRow
from tests.servers.schema import bring_up


@pytest.fixture
def context(tmp_path: Path) -> Iterator[CheckContext]:
    with_settings = load(
        data_dir=tmp_path,
        database_url=f"sqlite:///{tmp_path / 'quadra.db'}",
        job_lease="30s",
        health_backlog_warn="60s",
        health_backlog_fail="300s",
        health_keep="7d",
        health_interval="1m",
        health_dead_letters_warn=2,
    )
    database = Database(with_settings.database_url)
    bring_up(database)
    yield CheckContext(Runtime(with_settings, database), "command")
    database.dispose()


def told(found: Found | None) -> str:
    assert found is not None
    return found.status


@pytest.mark.parametrize(("seconds", "said"), [(1, "healthy"), (25, "healthy"), (31, "unhealthy"), (None, "unhealthy")])
def test_a_worker_lives_as_long_as_its_lease(context: CheckContext, seconds: int | None, said: str) -> None:
    if seconds is not None:
        with context.runtime.database.begin() as session:
            at = clock.now() - timedelta(seconds=seconds)
            session.add(WorkerRow(name="far:7", started_at=at, heartbeat_at=at, kinds=[], concurrency=1))
    assert told(workers(context)) == said


@pytest.mark.parametrize(
    ("due_seconds_ago", "said"), [(-3_600, "healthy"), (30, "healthy"), (90, "degraded"), (400, "unhealthy")]
)
def test_a_job_is_late_from_when_it_was_due_on(context: CheckContext, due_seconds_ago: int, said: str) -> None:
    with context.runtime.database.begin() as session:
        job = enqueue(session, kind="test", max_attempts=1)
        job.created_at = clock.now() - timedelta(days=1)
        job.available_at = clock.now() - timedelta(seconds=due_seconds_ago)
    assert told(backlog(context)) == said


@pytest.mark.parametrize(("hours", "count", "said"), [(1, 1, "healthy"), (1, 2, "degraded"), (25, 5, "healthy")])
def test_jobs_that_were_given_up_lately_are_told(context: CheckContext, hours: int, count: int, said: str) -> None:
    with context.runtime.database.begin() as session:
        for _ in range(count):
            enqueue(session, kind="test", max_attempts=1)
        session.flush()
        at = clock.now() - timedelta(hours=hours)
        session.execute(sa.update(Job).values(state="FAILED", finished_at=at))
    assert told(dead_letters(context)) == said


def test_a_pool_is_full_with_its_last_connection(context: CheckContext) -> None:
    database = context.runtime.database
    database.dispose()
    database.engine = sa.create_engine(database.url, pool_size=1, max_overflow=POOL_OVERFLOW)
    held, said = [], []
    for _ in range(1 + POOL_OVERFLOW):
        held.append(database.engine.connect())
        said.append(told(connection_pool(context)))
    for connection in held:
        connection.close()
    assert said[-1] == "unhealthy"
    assert "unhealthy" not in said[:-1]


def test_events_that_were_refused_lately_are_unhealthy_whatever_a_small_row_says(context: CheckContext) -> None:
    assert told(database_write(context)) == "healthy"
    context.runtime.database.refused(OperationalError("", {}, Exception("full")))
    found = database_write(context)
    assert found.status == "unhealthy"
    assert "Events are refused" in found.message
    context.runtime.database.wrote_at = time.monotonic()
    assert told(database_write(context)) == "healthy"


def test_tables_of_another_version_are_unhealthy(context: CheckContext) -> None:
    assert told(migrations(context)) == "healthy"
    with context.runtime.database.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0001_older'"))
    found = migrations(context)
    assert found.status == "unhealthy"
    assert "0001_older" in found.message


@pytest.mark.parametrize(
    ("answer", "said"), [(200, "healthy"), (404, "healthy"), (401, "degraded"), (403, "degraded"), (500, "degraded")]
)
def test_what_a_fake_model_server_answers_is_judged(tmp_path: Path, answer: int, said: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    bring_up(database)
    given = load(data_dir=tmp_path, llm_base_url=url, llm_model="m", health_ai_warn="50s", health_ai_fail="60s")
    try:
        (check,) = [check for check in CHECKS if check.name == "ai_provider"]
        report = Runner(CheckContext(Runtime(given, database), "command"), [check]).report()
        assert report.status == said
        assert (told(ai_provider(CheckContext(Runtime(given, database), "command"))) == "healthy") is (
            said == "healthy"
        )
    finally:
        server.shutdown()
        server.server_close()
        database.dispose()


def test_a_report_is_kept_once_an_interval_and_as_long_as_the_setting_says(context: CheckContext) -> None:
    runtime = context.runtime
    runner = Runner(context, [])
    for days in (6, 8):
        with runtime.database.begin() as session:
            at = clock.now() - timedelta(days=days)
            session.add(HealthReport(slot_at=at, at=at, status="healthy", parts={}, checks={}, source=f"{days} days"))
    assert history.keep(runtime, runner)
    with runtime.database.read() as session:
        assert "8 days" not in {row.source for row in history.latest(session)}
        assert "6 days" in {row.source for row in history.latest(session)}


def test_only_unhealthy_reports_count_against_an_hour() -> None:
    hours = [(clock.now(), {"healthy": 5, "degraded": 3, "unhealthy": 2}), (clock.now(), {})]
    assert history.share_well(hours) == 80.0
    assert history.share_well([(clock.now(), {})]) is None


def test_strangers_are_told_no_check_of_recent_reports(context: CheckContext) -> None:
    with context.runtime.database.begin() as session:
        at = clock.now()
        checks = {"disk": {"status": "healthy", "message": "The disk of /var/lib/quadra is 5 % full."}}
        session.add(HealthReport(slot_at=at, at=at, status="healthy", parts={}, checks=checks, source="w"))
    runner = Runner(context, [])
    stranger, viewer = (to_builtins(status.status(context.runtime, runner, whole=whole)) for whole in (False, True))
    assert "disk" not in str(stranger)
    assert viewer["health"]["recent_checks"][0]["checks"] == checks
    assert stranger["analytics"] is None
