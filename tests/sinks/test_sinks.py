"""What all sinks have in common: doors, pause, replay, queues that hold up nobody, erasure, and what does not exist."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import create_project, get_project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Conflict, Invalid, NotFound
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.web import http
from quadra.ingest.tables import Batch, Event
from quadra.job_kinds import HANDLERS, handlers_for
from quadra.jobs.executor import Executor
from quadra.jobs.handlers import Handler
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from quadra.sinks import registry, room, upkeep, verbs
from quadra.sinks.commands import sink as sink_command
from quadra.sinks.sink import Parcel, Refused
from quadra.sinks.tables import QueuedBatch
from quadra.sinks.upkeep import forget, plan
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.tables import Erasure
from tests.insights.conftest import event, fill
from tests.sinks.conftest import Make, do, seal, state, take
from tests.waiting import eventually

KAFKA = next(one for one in registry.SINKS if one.name == "kafka")
CONFIGURED = {"kafka_brokers": "127.0.0.1:9"}


class FakeSink:
    """Takes what it is given."""

    def __init__(self, *_: Any):
        self.parcels: list[Parcel] = []
        self.error: Exception | None = None

    @property
    def ids(self) -> list[str]:
        return [one for parcel in self.parcels for one in parcel.events["event_id"].to_pylist()]

    def send(self, parcel: Parcel) -> list[Refused]:
        if self.error is not None:
            raise self.error
        self.parcels.append(parcel)
        return []

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSink:
    sink = FakeSink()
    monkeypatch.setattr(registry.Listed, "make", lambda *_: sink)
    return sink


@pytest.fixture
def runtime(make: Make) -> Runtime:
    return make(**CONFIGURED)


def test_a_sink_that_is_not_configured_or_has_no_library_has_no_kind_of_job(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert set(handlers_for(make().settings)) == set(HANDLERS)
    runtime = make(**CONFIGURED)
    assert set(handlers_for(runtime.settings)) - set(HANDLERS) == {"deliver_kafka"}
    monkeypatch.setattr(registry, "find_spec", lambda _name: None)
    assert set(handlers_for(runtime.settings)) == set(HANDLERS)
    registry.say_what_is_missing(runtime.settings)
    (said,) = (record for record in caplog.records if record.message == "sinks.library.missing")
    assert said.__dict__["setting"] == "QUADRA_KAFKA_BROKERS"
    with pytest.raises(NotFound, match=r"pip install 'quadra\[kafka\]'"):
        verbs.find(runtime.settings, "kafka")
    with pytest.raises(NotFound, match="QUADRA_CLICKHOUSE_URL"):
        verbs.find(runtime.settings, "clickhouse")


def test_a_fake_sink_that_fails_is_asked_again_and_never_makes_a_dead_letter(runtime: Runtime, fake: FakeSink) -> None:
    sent = seal(runtime, "a")
    fake.error = RuntimeError("no route")
    for attempt in range(runtime.settings.job_max_attempts + 3):
        with runtime.database.begin() as session:
            session.execute(sa.update(Job).values(available_at=clock.now()))
            session.execute(sa.text("UPDATE breaker SET state = 'CLOSED', failure_count = 0"))
        ended = do(runtime, "kafka")
        assert ended is not None
        assert ended.state == "PENDING", attempt
    shown = state(runtime, "kafka")
    assert (shown.state, shown.last_error) == ("failing", "RuntimeError: no route")
    fake.error = None
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now()))
    do(runtime, "kafka")
    assert fake.ids == sent
    assert state(runtime, "kafka").state == "running"


@pytest.mark.parametrize("dead_at", ["opening", "sending"])
def test_a_fake_sink_that_is_dead_is_left_alone_behind_its_breaker(
    make: Make, monkeypatch: pytest.MonkeyPatch, dead_at: str
) -> None:
    runtime = make(**CONFIGURED, breaker_failures=3)
    fake = FakeSink()
    opened: list[None] = []
    fake.error = RuntimeError("takes nothing")

    def make_fake(*_: Any) -> FakeSink:
        opened.append(None)
        if dead_at == "opening":
            raise RuntimeError("no route")
        return fake

    monkeypatch.setattr(registry.Listed, "make", make_fake)
    seal(runtime, "a")
    for _ in range(3 + 2):
        with runtime.database.begin() as session:
            session.execute(sa.update(Job).values(available_at=clock.now()))
        ended = do(runtime, "kafka")
        assert ended is not None
        assert ended.state == "PENDING"
    assert len(opened) == 3, "once the breaker is open nobody waits for it"
    assert (state(runtime, "kafka").state, state(runtime, "kafka").breaker) == ("failing", "OPEN")


def test_a_fake_sink_that_is_away_costs_two_transactions_an_attempt_and_none_while_it_waits(
    runtime: Runtime, fake: FakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite senders of events wait for each of them."""
    seal(runtime, "a")
    fake.error = RuntimeError("no route")
    do(runtime, "kafka")
    for every in ("FAILING_EVERY", "THOROUGH_EVERY"):
        monkeypatch.setattr(upkeep, every, timedelta(hours=1))
    begun: list[None] = []
    begin = Database.begin

    def counted(database: Database) -> Any:
        begun.append(None)
        return begin(database)

    monkeypatch.setattr(Database, "begin", counted)
    for _ in range(5):
        seal(runtime, "b")
        begun.clear()
        plan(runtime)
        assert begun == [], "a job that waits and a queue that nobody takes from need no write each second"
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now()))
    run = take(runtime, "kafka")
    assert run is not None
    begun.clear()
    run.work(runtime, runtime.settings.job_backoff)
    assert len(begun) == 2, "the breaker's count; the failure, with the wait of the job"
    fake.error = None
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now()))
    do(runtime, "kafka")
    do(runtime, "kafka")
    assert len(fake.ids) == 6, "what was sealed meanwhile is found once it answers"


def test_a_paused_fake_sink_is_given_nothing_and_everything_once_it_goes_on(runtime: Runtime, fake: FakeSink) -> None:
    with runtime.database.begin() as session:
        verbs.pause(session, KAFKA)
    sent = seal(runtime, "a") + seal(runtime, "b")
    assert do(runtime, "kafka") is None
    shown = state(runtime, "kafka")
    assert (shown.state, shown.pending_batches) == ("paused", 2)
    with runtime.database.begin() as session, pytest.raises(Conflict):
        verbs.pause(session, KAFKA)
    with runtime.database.begin() as session:
        verbs.resume(session, KAFKA)
    do(runtime, "kafka")
    assert fake.ids == sent


def test_a_job_that_was_claimed_before_the_pause_delivers_nothing(runtime: Runtime, fake: FakeSink) -> None:
    seal(runtime, "a")
    run = take(runtime, "kafka")
    assert run is not None
    with runtime.database.begin() as session:
        verbs.pause(session, KAFKA)
    run.work(runtime, runtime.settings.job_backoff)
    assert fake.ids == []


def test_jobs_of_one_project_and_sink_do_not_run_side_by_side(runtime: Runtime, fake: FakeSink) -> None:
    seal(runtime, "a")
    first = take(runtime, "kafka")
    assert first is not None
    seal(runtime, "b")
    assert take(runtime, "kafka") is None
    first.work(runtime, runtime.settings.job_backoff)
    assert len(fake.ids) == 2  # it goes on until nothing waits


def test_a_worker_that_lost_its_job_leaves_the_queue_alone(runtime: Runtime, fake: FakeSink) -> None:
    sent = seal(runtime, "a")
    run = take(runtime, "kafka")
    assert run is not None
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(lease_token="another"))
    ended = run.work(runtime, runtime.settings.job_backoff)
    assert ended.state is None
    assert state(runtime, "kafka").pending_batches == 1
    assert fake.ids == sent  # the other worker sends them once more


def test_a_replay_gives_a_fake_sink_the_same_ids_again_also_of_rows_that_are_in_segments_alone(
    runtime: Runtime, fake: FakeSink
) -> None:
    began = clock.now()
    sent = seal(runtime, "a", "b", user_id="u")
    do(runtime, "kafka")
    while compact_some(runtime, 1):
        pass
    with runtime.database.begin() as session:  # as eviction leaves it
        session.execute(sa.delete(Event))
        session.execute(sa.update(Batch).values(cold_at=clock.now()))
    assert verbs.replay(runtime.database, KAFKA, start=began + timedelta(hours=1), end=began + timedelta(hours=2)) == 0
    assert verbs.replay(runtime.database, KAFKA, start=began - timedelta(seconds=5), end=clock.now()) == 1
    do(runtime, "kafka")
    assert fake.ids == sent * 2
    assert fake.parcels[0].lines == fake.parcels[1].lines


def test_who_asked_to_be_erased_is_in_no_parcel_even_before_it_is_done(runtime: Runtime, fake: FakeSink) -> None:
    seal(runtime, "a", "b", user_id="gone")
    with runtime.database.begin() as session:
        session.add(Erasure(project_id=1, user_id="gone", ids=["gone"], requested_at=clock.now()))
    stays = seal(runtime, "c", user_id="other")
    do(runtime, "kafka")
    assert fake.ids == stays
    assert state(runtime, "kafka").pending_batches == 0


def test_what_was_delivered_long_ago_is_forgotten_and_not_delivered_again(runtime: Runtime, fake: FakeSink) -> None:
    sent = seal(runtime, "a")
    do(runtime, "kafka")
    with runtime.database.begin() as session:
        old = clock.now() - timedelta(days=3)
        session.execute(sa.update(QueuedBatch).values(sealed_at=old))
        session.execute(sa.update(Batch).values(sealed_at=old))
    forget(runtime)
    with runtime.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(QueuedBatch)) == 0
    plan(runtime)
    assert do(runtime, "kafka") is None
    assert fake.ids == sent


def test_a_fake_sink_that_hangs_holds_up_no_other_kind_of_job(make: Make) -> None:
    runtime = make(job_concurrency=1, job_poll="50ms")
    hang, done = threading.Event(), threading.Event()
    handlers = {
        "deliver_a": Handler(lambda *_: hang.wait(90) and None, apart=True),
        "deliver_b": Handler(lambda *_: hang.wait(90) and None, apart=True),
        "analyse": Handler(lambda *_: done.set()),
    }
    executor = Executor(runtime, handlers)
    executor.start()
    try:
        with runtime.database.begin() as session:
            for kind in ("deliver_a", "deliver_a", "deliver_b"):
                enqueue(session, kind=kind, max_attempts=1)
        eventually(lambda: running(runtime) == ["deliver_a", "deliver_b"])  # one of a kind at a time
        with runtime.database.begin() as session:
            enqueue(session, kind="analyse", max_attempts=1)
        assert done.wait(90)
        assert not hang.is_set()
    finally:
        hang.set()
        executor.stop(10)


def running(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return sorted(session.scalars(sa.select(Job.kind).where(Job.state == "RUNNING")))


@pytest.fixture
def client(runtime: Runtime, fake: FakeSink) -> Any:
    app = Flask("test")
    app.extensions["quadra"] = runtime
    http.set_up(app)
    open_rooms(app, runtime, accounts, room)
    return app.test_client()


def key(runtime: Runtime, scope: str, slug: str = "default") -> dict[str, str]:
    with runtime.database.begin() as session:
        if slug == "default" and session.scalar(sa.text("SELECT 1 FROM project WHERE slug = 'default'")) is None:
            create_project(session, name="default")
        _, plain = make_key(session, project=get_project(session, slug), scope=scope)
    return {"Authorization": f"Bearer {plain}"}


def test_the_doors_show_pause_resume_and_replay(runtime: Runtime, client: Any, fake: FakeSink) -> None:
    admin = key(runtime, "admin")
    began = clock.iso(clock.now() - timedelta(minutes=1))
    sent = seal(runtime, "a", "b")
    do(runtime, "kafka")
    (shown,) = client.get("/api/sinks", headers=admin).json["sinks"]
    assert {"name": "kafka", "state": "running", "delivered_events": 2, "pending_batches": 0}.items() <= shown.items()
    assert (shown["breaker"], shown["last_error"], shown["lag_seconds"]) == ("CLOSED", None, 0)
    assert client.post("/api/sinks/kafka/pause", headers=admin).json["sink"]["state"] == "paused"
    assert client.post("/api/sinks/kafka/pause", headers=admin).status_code == 409
    assert client.post("/api/sinks/kafka/resume", headers=admin).json["sink"]["state"] == "running"
    answer = client.post("/api/sinks/kafka/replay", json={"from": began}, headers=admin)
    assert (answer.status_code, answer.json) == (202, {"name": "kafka", "batches": 1, "status": "queued"})
    do(runtime, "kafka")
    assert fake.ids == sent * 2
    assert client.get("/api/sinks/kafka/quarantine", headers=admin).json == {"rows": [], "count": 0, "total": 0}


def test_the_doors_refuse_what_is_not_there_and_who_may_not(runtime: Runtime, client: Any) -> None:
    admin = key(runtime, "admin")
    assert "QUADRA_CLICKHOUSE_URL" in client.post("/api/sinks/clickhouse/pause", headers=admin).json["error"]["message"]
    wrong = client.post("/api/sinks/kafka/replay", json={"from": "soon", "to": "never"}, headers=admin)
    assert wrong.status_code == 400
    assert set(wrong.json["error"]["fields"]) == {"from", "to"}
    own = key(runtime, "admin", "shop")  # of one project: a sink is everybody's
    for deed in ("pause", "resume", "replay"):
        assert client.post(f"/api/sinks/kafka/{deed}", json={"from": "2026-01-01"}, headers=own).status_code == 403
        assert client.post(f"/api/sinks/kafka/{deed}", json={"from": "2026-01-01"}).status_code == 401


def test_a_key_of_one_project_sees_the_numbers_of_that_project(runtime: Runtime, client: Any) -> None:
    with runtime.database.begin() as session:
        other = create_project(session, name="Other").id
    fill(runtime, [event(project_id=other)], jobs=False)
    seal(runtime, "a", "b")
    plan(runtime)
    (shown,) = client.get("/api/sinks", headers=key(runtime, "read", "other")).json["sinks"]
    assert shown["pending_batches"] == 1
    (whole,) = client.get("/api/sinks", headers=key(runtime, "admin")).json["sinks"]
    assert whole["pending_batches"] == 2


def test_a_range_is_read_as_everywhere() -> None:
    start, end = verbs.read_range("2026-01-31", "2026-01-31")
    assert (clock.iso(start), clock.iso(end)) == ("2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z")
    with pytest.raises(Invalid) as refused:
        verbs.read_range("2026-02-01", "2026-01-01")
    assert set(refused.value.fields) == {"to"}


def test_the_command_lists_and_names_what_to_set(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setenv("DATABASE_URL", str(runtime.settings.database_url))
    said = CliRunner().invoke(sink_command, ["list"])
    assert "QUADRA_KAFKA_BROKERS" in said.output
    monkeypatch.setenv("QUADRA_KAFKA_BROKERS", "127.0.0.1:9")
    said = CliRunner().invoke(sink_command, ["list", "--json"])
    assert '"name": "kafka", ' in said.output
    assert CliRunner().invoke(sink_command, ["pause", "kafka", "--json"]).exit_code == 0
    assert state(runtime, "kafka").state == "paused"
