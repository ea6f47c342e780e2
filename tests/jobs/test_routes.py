"""The HTTP doors of the queue: who may see and do what, pages, and what the audit log says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.accounts.audit import list_entries
from quadra.core import clock
from quadra.core.database import Database
from quadra.jobs import questions
from tests.jobs.conftest import get, opened

DLQ = "/api/admin/dead-letter-queue"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        yield database


def ids(answer: Any, name: str = "jobs") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["job_id"] for item in answer.json[name]]


def test_jobs_are_listed_newest_first_in_pages(client: FlaskClient, job: Any, bearer: Any) -> None:
    made = [job() for _ in range(5)][::-1]
    key = bearer()
    first = client.get("/api/admin/jobs?limit=2", headers=key)
    assert (ids(first), first.json["total"], first.json["count"]) == (made[:2], 5, 2)
    second = client.get(f"/api/admin/jobs?limit=2&cursor={first.json['cursor']}", headers=key)
    third = client.get(f"/api/admin/jobs?limit=2&cursor={second.json['cursor']}", headers=key)
    assert (ids(second), ids(third), third.json["cursor"]) == (made[2:4], made[4:], None)
    assert ids(client.get("/api/admin/jobs?limit=2&page=2", headers=key)) == made[2:4]


def test_jobs_are_filtered(client: FlaskClient, job: Any, bearer: Any) -> None:
    analysed, compacted, dead = job(batch_id="b1"), job(kind="compact", batch_id="b1"), job(state="FAILED")
    key = bearer()
    for question, expected in (
        ("status=PENDING", [compacted, analysed]),
        ("kind=analyse", [dead, analysed]),
        ("batch_id=b1", [compacted, analysed]),
        ("status=FAILED&kind=compact", []),
    ):
        assert ids(client.get(f"/api/admin/jobs?{question}", headers=key)) == expected, question


@pytest.mark.parametrize("path", ["/api/admin/jobs", DLQ])
@pytest.mark.parametrize("scope", ["read", "admin"])
def test_a_key_of_one_project_sees_no_path_of_the_machine(
    client: FlaskClient, job: Any, bearer: Any, path: str, scope: str
) -> None:
    said = "cannot write /srv/quadra/data/segments/1/a.parquet: disk full; see /health/detailed"
    entry = {"attempt": 1, "message": said, "traceback": 'File "/opt/quadra/lib/x.py", line 3'}
    job(state="FAILED", error_context=[entry], last_error=said)
    own = client.get(path, headers=bearer("shop", scope))
    assert own.status_code == 200
    assert [word for word in ("/srv/quadra", "/opt/quadra", "a.parquet") if word in own.text] == []
    assert "cannot write …: disk full" in own.text
    whole = client.get(path, headers=bearer()).text
    assert said in whole
    assert "/opt/quadra" in whole


def test_a_job_is_shown_with_the_names_that_clients_know(client: FlaskClient, job: Any, bearer: Any) -> None:
    history = [{"attempt": 1, "message": "no"}]
    job_id = job(state="FAILED", batch_id="b1", error_context=history, last_error="no")
    (shown,) = client.get(DLQ, headers=bearer()).json["dead_letters"]
    expected = {
        "job_id": job_id,
        "dlq_id": job_id,
        "kind": "analyse",
        "batch_id": "b1",
        "status": "FAILED",
        "attempt_count": 5,
        "max_attempts": 5,
        "trigger_type": "SCHEDULED",
        "lock_expires_at": None,
        "last_error": "no",
        "error_context": history,
        "history": history,
        "analysis_time_ms": None,
    }
    assert shown | expected == shown
    assert shown["failed_at"].endswith("Z")
    assert {"created_at", "updated_at"} <= set(shown)


@pytest.mark.parametrize(
    "question", ["status=DONE", "limit=0", "limit=1001", "page=0", "limit=x", "cursor=x", "cursor=1"]
)
def test_nonsense_is_refused(client: FlaskClient, bearer: Any, question: str) -> None:
    assert client.get(f"/api/admin/jobs?{question}", headers=bearer()).status_code == 400


def test_a_nul_character_is_refused_before_a_database_sees_it(client: FlaskClient, bearer: Any) -> None:
    for name in ("kind", "batch_id", "cursor"):
        answer = client.get(f"/api/admin/jobs?{name}=1.a%00", headers=bearer())
        assert (answer.status_code, list(answer.json["error"]["fields"])) == (400, [name])
    for path in (f"{DLQ}/a%00/requeue", f"{DLQ}/a%00/discard"):
        assert client.post(path, headers=bearer()).status_code == 404


def test_a_key_of_a_project_sees_and_does_only_its_own(
    client: FlaskClient, database: Database, job: Any, bearer: Any
) -> None:
    ours, theirs = job("shop", state="FAILED"), job("other", state="FAILED")
    shop = bearer("shop")
    assert ids(client.get("/api/admin/jobs", headers=shop)) == [ours]
    assert ids(client.get(DLQ, headers=shop), "dead_letters") == [ours]
    refused = client.post(f"{DLQ}/{theirs}/requeue", headers=shop)
    assert (refused.status_code, refused.json["error"]["message"]) == (404, f"There is no job {theirs}.")
    assert client.post(f"{DLQ}/{ours}/discard", headers=shop).status_code == 200
    assert (get(database, theirs).state, get(database, ours).state) == ("FAILED", "DISCARDED")


def test_jobs_of_one_project_can_be_asked_for_and_a_foreign_one_is_not_there(
    client: FlaskClient, job: Any, bearer: Any
) -> None:
    ours, theirs = job("shop", state="FAILED"), job("other")
    everyone = bearer()
    assert ids(client.get("/api/admin/jobs?project=shop", headers=everyone)) == [ours]
    assert ids(client.get("/api/admin/jobs?project=other", headers=everyone)) == [theirs]
    assert ids(client.get(f"{DLQ}?project=other", headers=everyone), "dead_letters") == []
    assert client.get("/api/admin/jobs?project=other", headers=bearer("shop")).status_code == 404


@pytest.mark.parametrize("verb", ["requeue", "discard"])
def test_only_editors_decide_about_dead_letters(
    client: FlaskClient, database: Database, job: Any, bearer: Any, verb: str
) -> None:
    job_id = job(state="FAILED")
    assert client.get("/api/admin/jobs").status_code == 401
    assert client.get("/api/admin/jobs", headers=bearer("shop", "ingest")).status_code == 403
    for headers, status in ((None, 401), (bearer("shop", "ingest"), 403), (bearer("shop", "read"), 403)):
        for target in (job_id, "nothing"):
            assert client.post(f"{DLQ}/{target}/{verb}", headers=headers).status_code == status
    assert client.post(f"{DLQ}/nothing/{verb}", headers=bearer()).status_code == 404
    assert get(database, job_id).state == "FAILED"


def test_requeue_and_discard_are_audited_and_happen_once(
    client: FlaskClient, database: Database, job: Any, bearer: Any
) -> None:
    again, never = job(state="FAILED", batch_id="b1"), job(state="FAILED")
    key = bearer()
    answer = client.post(f"{DLQ}/{again}/requeue", headers=key)
    assert (answer.status_code, answer.json["job"]["status"], answer.json["job"]["attempt_count"]) == (
        202,
        "PENDING",
        0,
    )
    assert client.post(f"{DLQ}/{never}/discard", headers=key).json["job"]["status"] == "DISCARDED"
    for job_id, verb in ((again, "requeue"), (never, "discard"), (never, "requeue")):
        assert client.post(f"{DLQ}/{job_id}/{verb}", headers=key).status_code == 409
    with database.read() as session:
        noted = [(entry.action, entry.subject) for entry in list_entries(session) if entry.action.startswith("jobs.")]
    assert noted == [("jobs.dead_letter.discarded", never), ("jobs.dead_letter.requeued", again)]


def test_the_queue_in_numbers(client: FlaskClient, database: Database, job: Any) -> None:
    with database.read() as session:
        assert questions.job_stats(session) == questions.JobNumbers(0, 0, 0, 0, None)
        assert questions.claim_latency_ms(session) is None
    now = clock.now()
    job(created_at=now - timedelta(minutes=2))
    job()
    job(state="RUNNING")
    job(state="FAILED")
    job(state="FAILED", finished_at=now - timedelta(hours=2))
    job(state="FAILED", finished_at=now - timedelta(days=2))
    job(state="SUCCESS", finished_at=now - timedelta(hours=2))
    for n in range(1, 21):
        claimed = now - timedelta(minutes=1)
        took = timedelta(milliseconds=n * 10)
        job(
            state="SUCCESS",
            available_at=claimed - timedelta(milliseconds=4),
            started_at=claimed,
            finished_at=claimed + took,
        )
    with database.read() as session:
        found = questions.job_stats(session)
        assert questions.dead_letter_stats(session) == {"total": 3, "last_24_hours": 2}
        assert questions.claim_latency_ms(session) == 4.0
    age = found.oldest_pending_age_seconds
    assert age is not None
    assert 119 < age < 130
    assert found == questions.JobNumbers(2, 1, 20, 1, age)
