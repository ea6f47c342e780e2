"""A migrated database with a project, batches in it, and jobs done at once on the thread of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.insights.handlers import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.handlers import batch_kinds
from quadra.jobs.run import Ended, Run
from tests.insights.fake_llm import FakeLlm
from tests.servers.schema import bring_up


@contextmanager
def opened(url: str, **settings: Any) -> Iterator[Runtime]:
    """A runtime on a migrated database that has the project 1."""
    database = Database(url, pool_size=10)
    try:
        bring_up(database)
        with database.begin() as session:
            assert create_project(session, name="Shop").id == 1
        yield Runtime(settings=load(database_url=url, **settings), database=database)
    finally:
        database.dispose()


@pytest.fixture
def any_runtime(any_database_url: str) -> Iterator[Runtime]:
    with opened(any_database_url) as runtime:
        yield runtime


@pytest.fixture
def database_runtime(database_url: str) -> Iterator[Runtime]:
    with opened(database_url) as runtime:
        yield runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as runtime:
        yield runtime


@pytest.fixture
def fake_llm() -> Iterator[FakeLlm]:
    with FakeLlm() as server:
        yield server


@pytest.fixture
def with_llm(runtime: Runtime, fake_llm: FakeLlm) -> Callable[..., Runtime]:
    """`with_llm(llm_timeout="1s")`: the runtime, with the fake LLM configured."""

    def configured(**changes: Any) -> Runtime:
        options = {"llm_base_url": fake_llm.url, "llm_api_key": "sk-test-0123456789", "llm_model": "fake-1", **changes}
        settings = load(database_url=str(runtime.settings.database_url), **options)
        return Runtime(settings=settings, database=runtime.database)

    return configured


_number = iter(range(10**9))


def event(**fields: Any) -> Row:
    at = clock.now_us()
    columns = {"kind": "event", "name": "click", "event_type": "click", "occurred_at": at, "received_at": at, **fields}
    for name in ("fields", "properties"):
        if isinstance(columns.get(name), dict):
            columns[name] = msgspec.Raw(msgspec.json.encode(columns[name]))
    return Row(project_id=columns.pop("project_id", 1), event_id=f"e{next(_number)}", **columns)


def fill(runtime: Runtime, rows: list[Row] | None = None, *, jobs: bool = True) -> str:
    """Store a sealed batch, with its jobs; its id."""
    rows = rows if rows is not None else [event(user_id=f"u{at % 4}") for at in range(10)]
    kinds = batch_kinds(HANDLERS) if jobs else {}
    log = Log(runtime.database, writer="test", batch_max_events=len(rows), job_kinds=kinds)
    done = log.append(rows)
    assert len(done.sealed) == 1
    return done.sealed[0]


def take(runtime: Runtime, kind: str) -> Run | None:
    """Claim the next due job of a kind."""
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=[kind], limit=1, length=runtime.settings.job_lease)
    return Run(jobs[0], HANDLERS[kind], runtime.settings.job_lease) if jobs else None


def do(runtime: Runtime, kind: str = "analyse") -> Ended | None:
    """Claim and do the next due job of a kind; None where there is none."""
    run = take(runtime, kind)
    return run.work(runtime, runtime.settings.job_backoff) if run else None
