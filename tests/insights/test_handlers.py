"""From a sealed batch to its local insight, on each database: once in effect, whatever is repeated or interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.projects import DEMO, OWN, create_project
from quadra.core import clock
from quadra.core.observing.metrics import REGISTRY
from quadra.core.runtime import Runtime
from quadra.ingest.columns import Row
from quadra.ingest.tables import Batch, Event
from quadra.insights import archive, reading
from quadra.insights.handlers import ANALYSE, analyse_batches
from quadra.insights.metrics import Names
from quadra.insights.reading import MOST_READ, every, read_context, read_seen
from quadra.insights.store import count_hours
from quadra.insights.tables import HourCount, Insight
from quadra.jobs.claim import claim
from quadra.jobs.errors import LeaseLost
from quadra.jobs.lease import Lease
from quadra.jobs.queue import MANUAL, enqueue
from quadra.jobs.tables import Job
from tests.insights.conftest import do, event, fill, opened, take

ROOT = Path(__file__).resolve().parents[2]


def insights(runtime: Runtime, batch_id: str) -> list[Insight]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(Insight).where(Insight.batch_id == batch_id)))


def batch_of(runtime: Runtime, batch_id: str) -> Batch:
    with runtime.database.read() as session:
        return session.get_one(Batch, batch_id)


def analyse_again(runtime: Runtime, batch_id: str) -> str:
    with runtime.database.begin() as session:
        return enqueue(session, kind=ANALYSE, max_attempts=5, project_id=1, batch_id=batch_id, trigger=MANUAL).id


def test_a_sealed_batch_gets_its_insight_and_is_analyzed(any_runtime: Runtime) -> None:
    batch_id = fill(any_runtime)
    ended = do(any_runtime)
    assert ended is not None
    assert ended.state == "SUCCESS"
    (insight,) = insights(any_runtime, batch_id)
    assert insight.analyst == "local"
    assert insight.summary == "The first batch: 10 events of 4 people. Nothing to compare with yet."
    assert insight.event_count == 10
    assert insight.window_from is not None
    batch = batch_of(any_runtime, batch_id)
    assert batch.status == "ANALYZED"
    assert batch.analyzed_at is not None


def test_later_batches_are_compared_with_the_digests_of_earlier_ones(any_runtime: Runtime) -> None:
    for _ in range(4):
        fill(any_runtime, [event(user_id=f"u{at % 9}") for at in range(40)])
        do(any_runtime)
    fields = {"error_type": "TypeError", "message": "x is undefined", "endpoint": "/pay"}
    encoded = [
        event(kind="error", name="error", user_id=f"u{at}", fields=msgspec.Raw(msgspec.json.encode(fields)))
        for at in range(20)
    ]
    batch_id = fill(any_runtime, [event(user_id=f"u{at % 9}") for at in range(20)] + encoded)
    do(any_runtime)
    (insight,) = insights(any_runtime, batch_id)
    assert "Failures rose from 0 % to 50 % (20 of 40 events)." in insight.patterns
    assert any(text.startswith("New error “TypeError: x is undefined”: 20 times") for text in insight.patterns)
    assert insight.evidence["findings"][0]["numbers"]["failed"] == 20
    assert insight.recommendations


def test_a_run_whose_lease_was_lost_changes_nothing(any_runtime: Runtime) -> None:
    batch_id = fill(any_runtime)
    late = take(any_runtime, ANALYSE)
    assert late is not None
    give_to_another(any_runtime, late.lease.job.id)
    assert late.work(any_runtime, timedelta(seconds=1)).state is None
    assert insights(any_runtime, batch_id) == []
    assert batch_of(any_runtime, batch_id).status == "SEALED"
    assert do(any_runtime).state == "SUCCESS"  # type: ignore[union-attr]
    (first,) = insights(any_runtime, batch_id)
    assert late.work(any_runtime, timedelta(seconds=1)).state is None
    (second,) = insights(any_runtime, batch_id)
    assert (first.id, first.created_at) == (second.id, second.created_at)
    assert hours(any_runtime) == 10


def give_to_another(runtime: Runtime, job_id: str) -> None:
    with runtime.database.begin() as session:
        taken = sa.update(Job).where(Job.id == job_id)
        session.execute(taken.values(state="PENDING", lease_token=None, available_at=clock.now()))


def hours(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return int(session.scalar(sa.select(sa.func.sum(HourCount.events))) or 0)


def test_a_second_analysis_replaces_the_insight_and_counts_nothing_twice(any_runtime: Runtime) -> None:
    batch_id = fill(any_runtime)
    do(any_runtime)
    (first,) = insights(any_runtime, batch_id)
    analyzed_at = batch_of(any_runtime, batch_id).analyzed_at
    analyse_again(any_runtime, batch_id)
    assert do(any_runtime).state == "SUCCESS"  # type: ignore[union-attr]
    (second,) = insights(any_runtime, batch_id)
    assert second.id == first.id
    assert second.summary == first.summary
    assert hours(any_runtime) == 10
    assert batch_of(any_runtime, batch_id).analyzed_at == analyzed_at


def test_events_that_left_the_log_do_not_cost_the_insight(runtime: Runtime) -> None:
    batch_id = fill(runtime)
    do(runtime)
    (first,) = insights(runtime, batch_id)
    with runtime.database.begin() as session:
        session.execute(sa.delete(Event).where(Event.batch_id == batch_id))
        session.execute(sa.update(Batch).values(segment_id="s1", cold_at=clock.now()))
    analyse_again(runtime, batch_id)
    assert do(runtime).state == "FAILED"  # type: ignore[union-attr]
    assert insights(runtime, batch_id)[0].summary == first.summary


def test_a_batch_whose_events_were_erased_says_so(runtime: Runtime) -> None:
    batch_id = fill(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.delete(Event).where(Event.batch_id == batch_id))
    assert do(runtime).state == "SUCCESS"  # type: ignore[union-attr]
    assert "erased" in insights(runtime, batch_id)[0].summary
    fill(runtime)
    do(runtime)
    with runtime.database.read() as session:
        newest = session.scalars(sa.select(Batch).order_by(Batch.id.desc())).first()
        assert newest is not None
        assert read_context(session, newest).before == [], "an empty digest is nothing to compare with"


def test_of_a_large_batch_an_even_sample_is_read(any_runtime: Runtime) -> None:
    rows = [event(name="odd" if at % 2 else "even", event_type="click") for at in range(MOST_READ * 2 + 1)]
    batch_id = fill(any_runtime, rows)
    with any_runtime.database.read() as session:
        batch = session.get_one(Batch, batch_id)
        seen = read_seen(session, batch)
        assert read_seen(session, batch).types == seen.types
        counted = reading.hours_of(seen, batch)
    assert every(len(rows)) == 3
    assert seen.read == len(rows) // 3
    assert 0.4 < seen.types["odd"] / seen.read < 0.6
    assert abs(sum(counted.values()) - len(rows)) <= 2


def test_hours_are_compared_with_the_same_hour_of_earlier_days(any_runtime: Runtime) -> None:
    at = clock.now()
    hour_us = clock.to_us(at) // 3_600_000_000 * 3_600_000_000
    day_us = 86_400_000_000
    with any_runtime.database.begin() as session:
        for day in (1, 2, 4):
            count_hours(session, 1, {hour_us - day * day_us: day})
            count_hours(session, 1, {hour_us - day * day_us: 100})
    batch_id = fill(any_runtime, [event(occurred_at=hour_us + 1) for _ in range(7)])
    with any_runtime.database.read() as session:
        (hour,) = read_context(session, session.get_one(Batch, batch_id)).hours
    assert (hour.before_this_batch, hour.in_this_batch) == (0, 7)
    assert list(hour.days_before) == [101, 102, 0, 104]


def test_batches_are_archived_only_when_a_segment_keeps_their_rows(any_runtime: Runtime) -> None:
    kept, unkept, young = (fill(any_runtime) for _ in range(3))
    old = clock.now() - timedelta(days=31)
    with any_runtime.database.begin() as session:
        for batch_id, values in (
            (kept, {"analyzed_at": old, "segment_id": "s1"}),
            (unkept, {"analyzed_at": old}),
            (young, {"analyzed_at": clock.now(), "segment_id": "s1"}),
        ):
            session.execute(sa.update(Batch).where(Batch.id == batch_id).values(status="ANALYZED", **values))
    with any_runtime.database.begin() as session:
        assert archive.archive_due(session, after=timedelta(days=30)) == 1
        assert archive.archive_due(session, after=timedelta(days=30)) == 0
    assert [batch_of(any_runtime, batch_id).status for batch_id in (kept, unkept, young)] == [
        "ARCHIVED",
        "ANALYZED",
        "ANALYZED",
    ]
    with any_runtime.database.read() as session:
        assert events_of(session, kept) == 10, "nothing is removed here"


def events_of(session: Session, batch_id: str) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(Event).where(Event.batch_id == batch_id)) or 0


def analyse_together(runtime: Runtime) -> list[Lease]:
    with runtime.database.begin() as session:
        jobs = claim(session, worker="w", kinds=[ANALYSE], limit=99, length=runtime.settings.job_lease)
    leases = [Lease(job, runtime.settings.job_lease) for job in jobs]
    analyse_batches(runtime, leases)
    return leases


def said(runtime: Runtime) -> list[tuple[Any, ...]]:
    with runtime.database.read() as session:
        found = session.scalars(sa.select(Insight).order_by(Insight.project_id, Insight.batch_id))
        return [(one.project_id, one.summary, one.confidence, one.patterns, one.evidence, one.digest) for one in found]


def test_batches_analysed_together_get_the_insights_that_each_gets_alone(any_runtime: Runtime, tmp_path: Path) -> None:
    at = clock.now_us() - 3_600_000_000
    with opened(f"sqlite:///{tmp_path / 'alone.db'}") as alone:
        for runtime in (any_runtime, alone):
            with runtime.database.begin() as session:
                other = create_project(session, name="Other").id
            for number in range(30):
                project_id = other if number % 3 == 0 else 1
                failed = number in (10, 11, 12, 25)  # found, going on, over, found again
                fill(
                    runtime,
                    [
                        event(
                            project_id=project_id,
                            user_id=f"u{each}",
                            success=not (failed and each % 2),
                            occurred_at=at + number * 1_000_000 + each,
                            received_at=at + number * 1_000_000 + each,
                        )
                        for each in range(30)
                    ],
                )
        assert len(analyse_together(any_runtime)) == 30
        while do(alone) is not None:
            pass
        assert said(any_runtime) == said(alone)
        assert any(evidence["findings"] for *_, evidence, _ in said(alone))
        assert hours(any_runtime) == hours(alone) == 900
    assert {batch_of(any_runtime, batch_id).status for batch_id in batch_ids(any_runtime)} == {"ANALYZED"}


def batch_ids(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(Batch.id)))


def test_of_batches_analysed_together_one_that_another_worker_has_leaves_all_as_they_were(any_runtime: Runtime) -> None:
    for _ in range(3):
        fill(any_runtime)
    with any_runtime.database.begin() as session:
        jobs = claim(session, worker="w", kinds=[ANALYSE], limit=99, length=any_runtime.settings.job_lease)
    give_to_another(any_runtime, jobs[1].id)
    with pytest.raises(LeaseLost):
        analyse_batches(any_runtime, [Lease(job, any_runtime.settings.job_lease) for job in jobs])
    assert (said(any_runtime), hours(any_runtime)) == ([], 0)


HANG_AFTER_WRITING = """
import sys, time
from quadra.core.database import Database
from quadra.insights import handlers
from tests.insights.conftest import opened, take
url = sys.argv[1]
def hang(session, batch_ids):
    session.flush()
    print("written", flush=True)
    time.sleep(60)
handlers.mark_analyzed = hang
from quadra.core.runtime import Runtime
from quadra.core.settings import load
runtime = Runtime(settings=load(database_url=url), database=Database(url))
run = take(runtime, "analyse")
run.work(runtime, runtime.settings.job_backoff)
"""


def test_a_worker_that_is_killed_between_the_insight_and_the_end_of_its_job_leaves_nothing(
    database_url: str, tmp_path: Path
) -> None:
    with opened(database_url, job_lease="1s") as runtime:
        batch_id = fill(runtime)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "QUADRA_DATA_DIR": str(tmp_path)}
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HANG_AFTER_WRITING, database_url],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            process.send_signal(signal.SIGKILL)
        assert insights(runtime, batch_id) == []
        with runtime.database.read() as session:
            (job,) = session.scalars(sa.select(Job))
            assert (job.state, job.attempt) == ("RUNNING", 1)
        give_to_another(runtime, job.id)  # what a worker's upkeep does once the lease is over
        assert do(runtime).state == "SUCCESS"  # type: ignore[union-attr]
        assert len(insights(runtime, batch_id)) == 1
        assert batch_of(runtime, batch_id).status == "ANALYZED"


def ai_call(model: str, *, cost: float, success: bool = True, days_ago: int = 0, **columns: Any) -> Row:
    fields = msgspec.Raw(msgspec.json.encode({"model": model, "total_tokens": 100}))
    at = clock.now_us() - days_ago * 86_400_000_000
    return event(kind="ai", name="ai", value=cost, success=success, fields=fields, occurred_at=at, **columns)


def counted(model: str) -> tuple[float, float, float, float]:
    """(calls that worked, calls that failed, tokens, USD) of a model, as /metrics shows them."""

    def shown(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"quadra_matrix_{name}", {"model": model, **labels}) or 0.0

    calls = [shown("ai_requests_total", status=status) for status in ("success", "error")]
    return calls[0], calls[1], shown("ai_tokens_total"), shown("ai_cost_usd_total")


def test_ai_calls_that_clients_report_are_counted_once_their_batch_is_analysed(runtime: Runtime) -> None:
    batch_id = fill(
        runtime, [*(ai_call("gpt-x", cost=0.25) for _ in range(3)), ai_call("gpt-x", cost=0, success=False)]
    )
    assert counted("gpt-x") == (0, 0, 0, 0)
    do(runtime)
    assert counted("gpt-x") == (3, 1, 400, pytest.approx(0.75))
    analyse_again(runtime, batch_id)
    do(runtime)
    assert counted("gpt-x") == (3, 1, 400, pytest.approx(0.75))


def test_ai_calls_of_old_files_the_demo_and_quadra_itself_are_no_costs_of_today(runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        others = [create_project(session, name=slug, slug=slug).id for slug in (OWN, DEMO)]
    fill(runtime, [ai_call("not-today", cost=1, days_ago=30)])
    for project_id in others:
        fill(runtime, [ai_call("not-today", cost=1, project_id=project_id)])
    for _ in range(3):
        assert do(runtime).state == "SUCCESS"  # type: ignore[union-attr]
    assert counted("not-today") == (0, 0, 0, 0)


def test_a_process_names_a_bounded_number_of_models() -> None:
    names = Names(2)
    assert [names.of(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", "(other)", "a", "(other)"]
