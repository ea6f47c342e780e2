"""The doors of the pipeline: who may, what they get, and that each deed is in the audit log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import create_project, get_project
from quadra.accounts.setup import initialise
from quadra.accounts.tables import AuditEntry
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.web import http
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.insights import breaker, metrics, room
from quadra.insights.handlers import HANDLERS
from quadra.insights.tables import Breaker
from quadra.jobs.errors import Transient
from quadra.jobs.handlers import batch_kinds
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from tests.insights.conftest import do, event, fill

Ask = Callable[..., dict[str, str]]


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = Flask("test")
    app.extensions["quadra"] = runtime
    http.set_up(app)
    runtime.batch_kinds = batch_kinds(HANDLERS)
    open_rooms(app, runtime, accounts, room)
    return app.test_client()


@pytest.fixture
def as_(runtime: Runtime) -> Ask:
    """`as_("read")`: the headers of a key of the project `shop`, or of another one."""
    with runtime.database.begin() as session:
        initialise(session, settings=runtime.settings)

    def headers(scope: str, project: str = "shop") -> dict[str, str]:
        with runtime.database.begin() as session:
            _, plain = make_key(session, project=get_project(session, project), scope=scope)
        return {"Authorization": f"Bearer {plain}"}

    return headers


def leave_open(runtime: Runtime, events: int = 3, project_id: int = 1) -> str:
    """An OPEN batch; its id."""
    log = Log(runtime.database, writer="w", batch_max_events=100)
    return log.append([event(project_id=project_id) for _ in range(events)]).outcomes[0][0]


def audit(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.database.read() as session:
        return [(row.action, row.subject) for row in session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))][
            -2:
        ]


PATHS = [
    ("GET", "/api/insights"),
    ("GET", "/api/analytics/stats"),
    ("GET", "/api/admin/metrics"),
    ("GET", "/api/admin/batches"),
    ("GET", "/api/admin/batches/x"),
    ("POST", "/api/admin/batches/x/seal"),
    ("POST", "/api/admin/batches/x/analyze"),
    ("POST", "/api/analytics/flush"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_strangers_and_write_keys_get_nothing(client: FlaskClient, as_: Ask, method: str, path: str) -> None:
    assert client.open(path, method=method).status_code == 401
    assert client.open(path, method=method, headers=as_("ingest")).status_code == 403


def test_viewers_read_and_do_not_act(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    batch_id, read = leave_open(runtime), as_("read")
    for method, path in PATHS:
        answer = client.open(path.replace("/x", f"/{batch_id}"), method=method, headers=read)
        assert answer.status_code == (200 if method == "GET" else 403), (path, answer.text)


def test_what_is_another_projects_is_not_there(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        create_project(session, name="Other", slug="other")
    mine = fill(runtime)
    do(runtime)
    other = as_("admin", "other")
    assert client.get("/api/insights", headers=other).json == {"insights": [], "total": 0, "count": 0, "cursor": None}
    assert client.get("/api/admin/batches", headers=other).json["total"] == 0
    for method, path in PATHS[4:7]:
        answer = client.open(path.replace("/x", f"/{mine}"), method=method, headers=other)
        assert answer.status_code == 404
        assert "There is no batch" in answer.text, "not even whose it is"
    assert client.get("/api/insights?project=shop", headers=other).status_code == 404
    assert client.post("/api/analytics/flush?project=shop", headers=other).status_code == 404
    everywhere = as_("admin", "default")
    assert client.get("/api/insights?project=shop", headers=everywhere).json["total"] == 1
    assert client.get("/api/insights", headers=everywhere).json["total"] == 1


def test_insights_come_newest_first_page_by_page_and_filtered(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    ids = []
    for _ in range(5):
        ids.append(fill(runtime))
        do(runtime)
    read = as_("read")
    first = client.get("/api/insights?limit=2", headers=read).json
    assert [row["batch_id"] for row in first["insights"]] == [ids[4], ids[3]]
    second = client.get(f"/api/insights?limit=2&cursor={first['cursor']}", headers=read).json
    third = client.get("/api/insights?limit=2&page=3", headers=read).json
    assert [row["batch_id"] for row in second["insights"] + third["insights"]] == [ids[2], ids[1], ids[0]]
    assert third["cursor"] is None
    (one,) = client.get(f"/api/insights?batch_id={ids[0]}&analyst=local&project=shop", headers=read).json["insights"]
    assert one["project"] == "shop"
    assert one["time_window"]["from"] <= one["time_window"]["to"]
    assert 0 <= one["confidence"] <= 1
    assert isinstance(one["patterns"], list)
    assert "digest" not in one
    assert client.get("/api/insights?analyst=llm", headers=read).json["total"] == 0
    for wrong in ("analyst=me", "limit=0", "limit=2000", "cursor=x", "cursor=99999999999999999999.x", "page=0"):
        assert client.get(f"/api/insights?{wrong}", headers=read).status_code == 400, wrong


def test_batches_show_their_states_and_jobs(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    open_id, sealed_id = leave_open(runtime), fill(runtime)
    done_id = fill(runtime)
    with runtime.database.begin() as session:
        session.execute(
            sa.update(Job).where(Job.batch_id == sealed_id).values(available_at=clock.now() + timedelta(hours=1))
        )
    do(runtime)
    read = as_("read")
    rows = {row["batch_id"]: row for row in client.get("/api/admin/batches", headers=read).json["batches"]}
    assert (rows[open_id]["status"], "analysis_job" in rows[open_id]) == ("OPEN", False)
    assert rows[sealed_id]["analysis_job"]["status"] == "PENDING"
    assert rows[done_id]["status"] == "ANALYZED"
    assert rows[done_id]["analysis_job"] | {"job_id": ""} == {
        "job_id": "",
        "status": "SUCCESS",
        "attempt_count": 1,
        "last_error": None,
    }
    assert [row["status"] for row in client.get("/api/admin/batches?status=SEALED", headers=read).json["batches"]] == [
        "SEALED"
    ]
    assert client.get("/api/admin/batches?status=ODD", headers=read).status_code == 400
    one = client.get(f"/api/admin/batches/{done_id}", headers=read).json
    assert [row["analyst"] for row in one["insights"]] == ["local"]
    assert client.get("/api/admin/batches/none", headers=read).status_code == 404


def test_an_open_batch_is_sealed_by_hand_once(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    batch_id, admin = leave_open(runtime), as_("admin")
    answer = client.post(f"/api/admin/batches/{batch_id}/seal", headers=admin)
    assert answer.status_code == 202
    assert answer.json["job"]["kind"] == "analyse"
    assert answer.json["job"]["status"] == "PENDING"
    assert client.post(f"/api/admin/batches/{batch_id}/seal", headers=admin).status_code == 409
    assert client.post("/api/admin/batches/none/seal", headers=admin).status_code == 404
    assert ("ingest.batch.sealed", batch_id) in audit(runtime)


def test_a_batch_is_analysed_by_hand_unless_one_is_at_it(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    batch_id, admin = fill(runtime), as_("admin")
    assert client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin).status_code == 409
    do(runtime)
    answer = client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin)
    assert answer.status_code == 202
    assert answer.json["job"]["trigger_type"] == "MANUAL"
    assert client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin).status_code == 409
    assert audit(runtime)[-1] == ("insights.analysis.requested", batch_id)
    assert do(runtime).state == "SUCCESS"  # type: ignore[union-attr]
    open_id = leave_open(runtime)
    assert client.post(f"/api/admin/batches/{open_id}/analyze", headers=admin).status_code == 409
    with runtime.database.begin() as session:
        session.execute(sa.update(Batch).where(Batch.id == batch_id).values(status="ARCHIVED"))
    assert client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin).status_code == 409
    assert client.post("/api/admin/batches/none/analyze", headers=admin).status_code == 404


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_batch_is_not_analysed_by_hand_while_the_llm_is_asked_about_it(
    client: FlaskClient, as_: Ask, runtime: Runtime, state: str
) -> None:
    batch_id, admin = fill(runtime), as_("admin")
    do(runtime)
    with runtime.database.begin() as session:
        llm = enqueue(session, kind="analyse_llm", max_attempts=5, project_id=1, batch_id=batch_id)
        llm.state = state
    answer = client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin)
    assert answer.status_code == 409
    assert f"analyse_llm ({llm.id}) is {state}" in answer.json["error"]["message"]
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(state="SUCCESS", unique_key=None))
    assert client.post(f"/api/admin/batches/{batch_id}/analyze", headers=admin).status_code == 202


def test_the_state_of_the_pipeline_in_numbers(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    leave_open(runtime)
    fill(runtime)
    do(runtime)
    guard = breaker.Guard("llm", 5, timedelta(minutes=10), timedelta(seconds=9))
    with pytest.raises(Transient):
        breaker.call(runtime.database, guard, fail, counts=lambda _error: True)
    found = client.get("/api/admin/metrics", headers=as_("admin", "default")).json
    assert found["jobs"]["success_last_hour"] == 1
    assert set(found["jobs"]) == {
        "pending",
        "running",
        "success_last_hour",
        "failed_last_hour",
        "oldest_pending_age_seconds",
    }
    assert found["batches"].pop("oldest_open_age_seconds") >= 0
    assert found["batches"] == {"open": 1, "sealed": 0, "analyzed": 1, "archived": 0}
    assert found["performance"]["avg_analysis_time_ms"] > 0
    assert found["performance"]["p95_analysis_time_ms"] > 0
    assert found["performance"]["avg_batch_size"] == 10
    assert found["performance"]["claim_latency_ms"] >= 0
    assert found["circuit_breaker"]["llm"]["state"] == "CLOSED"
    assert found["circuit_breaker"]["llm"]["failure_count"] == 1
    assert found["circuit_breaker"]["llm"]["last_state_change"].endswith("Z")
    assert found["dead_letter_queue"] == {"total": 0, "last_24_hours": 0}


def test_a_key_of_one_project_sees_the_figures_of_that_one(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        create_project(session, name="Other", slug="other")
        session.add(
            Breaker(name="llm", state="OPEN", failure_count=5, opened_at=clock.now(), last_state_change=clock.now())
        )
        enqueue(session, kind="test", max_attempts=1, project_id=get_project(session, "other").id)
    fill(runtime)
    do(runtime)
    ours, theirs = (client.get("/api/admin/metrics", headers=as_("read", slug)).json for slug in ("shop", "other"))
    assert (ours["jobs"]["success_last_hour"], ours["jobs"]["pending"]) == (1, 0)
    assert (theirs["jobs"]["success_last_hour"], theirs["jobs"]["pending"]) == (0, 1)
    assert theirs["batches"] == {"open": 0, "sealed": 0, "analyzed": 0, "archived": 0, "oldest_open_age_seconds": None}
    assert theirs["performance"]["avg_batch_size"] is None
    assert ours["circuit_breaker"] == theirs["circuit_breaker"] == {}


@pytest.mark.parametrize(("minutes", "shown", "number"), [(5, "OPEN", 2), (10, "HALF_OPEN", 1)])
def test_a_breaker_whose_cooldown_is_over_lets_one_call_try(
    client: FlaskClient, as_: Ask, runtime: Runtime, minutes: int, shown: str, number: int
) -> None:
    opened_at = clock.now() - timedelta(minutes=minutes)
    with runtime.database.begin() as session:
        session.add(
            Breaker(name="llm", state="OPEN", failure_count=5, opened_at=opened_at, last_state_change=opened_at)
        )
    found = client.get("/api/admin/metrics", headers=as_("admin", "default")).json["circuit_breaker"]["llm"]
    assert (found["state"], found["opened_at"]) == (shown, clock.iso(opened_at))
    changed_at = opened_at + timedelta(minutes=10) if shown == "HALF_OPEN" else opened_at
    assert found["last_state_change"] == clock.iso(changed_at)
    with runtime.database.read() as session:
        (gauge,) = metrics.breakers(session, runtime.settings)
    assert [sample.value for sample in gauge.samples] == [number]


def fail() -> None:
    raise Transient("away")


def test_an_empty_pipeline_has_numbers_too(client: FlaskClient, as_: Ask) -> None:
    found = client.get("/api/admin/metrics", headers=as_("admin")).json
    assert found["performance"]["avg_analysis_time_ms"] is None
    assert found["batches"]["oldest_open_age_seconds"] is None
    assert found["circuit_breaker"] == {}


def test_a_breaker_is_closed_before_the_first_call(
    client: FlaskClient, as_: Ask, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.settings, "llm_api_key", "sk-x")
    found = client.get("/api/admin/metrics", headers=as_("admin", "default")).json["circuit_breaker"]
    assert found == {"llm": {"state": "CLOSED", "failure_count": 0, "last_state_change": None, "opened_at": None}}


def test_the_stats_of_a_project(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    leave_open(runtime, 3)
    batch_id = fill(runtime)
    do(runtime)
    found = client.get("/api/analytics/stats", headers=as_("read")).json
    assert found["project"] == "shop"
    assert found["events"] == {"total": 13}
    assert found["batches"]["analyzed"] == 1
    assert found["insights"]["by_analyst"]["local"]["count"] == 1
    assert [row["batch_id"] for row in found["insights"]["latest"]] == [batch_id]


def test_a_flush_seals_and_says_what_is_left(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    batch_id, admin = leave_open(runtime), as_("admin")
    found = client.post("/api/analytics/flush?timeout=0", headers=admin).json
    assert found["sealed"] == [batch_id]
    assert found["done"] is False
    assert found["left"] == {"jobs": 1, "by_kind": {"analyse": 1}}
    assert ("ingest.batch.sealed", batch_id) in audit(runtime)
    assert client.post("/api/analytics/flush?timeout=999", headers=admin).status_code == 400


def test_a_flush_waits_for_the_worker(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    leave_open(runtime)
    admin = as_("admin")
    worker = threading.Timer(0.3, lambda: do(runtime))
    worker.start()
    found = client.post("/api/analytics/flush?timeout=30", headers=admin).json
    worker.join()
    assert found["done"] is True
    assert found["left"] == {"jobs": 0, "by_kind": {}}


def test_a_flush_does_not_wait_for_what_cannot_be_done_in_time(client: FlaskClient, as_: Ask, runtime: Runtime) -> None:
    fill(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now() + timedelta(minutes=10)))
    found = client.post("/api/analytics/flush?timeout=30", headers=as_("admin")).json
    assert found["done"] is False
    assert found["waited_seconds"] < 25


def test_more_flushes_than_threads_can_be_spared_for_are_told_to_come_back(
    client: FlaskClient, as_: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quadra.insights.batch_routes._flushes", threading.BoundedSemaphore(1))
    admin = as_("admin")
    assert client.post("/api/analytics/flush?timeout=0", headers=admin).status_code == 200
    monkeypatch.setattr("quadra.insights.batch_routes._flushes", taken())
    answer = client.post("/api/analytics/flush?timeout=0", headers=admin)
    assert answer.status_code == Unavailable.status
    assert answer.headers["Retry-After"] == "5"


def taken() -> threading.BoundedSemaphore:
    semaphore = threading.BoundedSemaphore(1)
    semaphore.acquire()
    return semaphore
