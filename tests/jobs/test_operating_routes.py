"""The doors for the people who run Quadra: who may, what is kept of it, and what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.accounts.audit import list_entries
from quadra.core.database import Database
from tests.jobs.conftest import get, opened

DLQ = "/api/admin/dead-letter-queue"
REASON = {"reason": "upgrade"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        yield database


def test_editors_pause_cancel_and_decide_with_a_reason_that_is_kept(
    client: FlaskClient,
    database: Database,
    job: Any,
    bearer: Any,
) -> None:
    key, waits, dead = bearer(), job(), job(state="FAILED", batch_id="b1")
    assert client.post("/api/admin/kinds/analyse/pause", headers=key, json={}).status_code == 400
    paused = client.post("/api/admin/kinds/analyse/pause", headers=key, json=REASON).json["kinds"][0]["paused"]
    assert paused["reason"] == "upgrade"
    assert client.post("/api/admin/kinds/analyse/resume", headers=key, json=REASON).json["kinds"][0]["paused"] is None
    assert client.post(f"/api/admin/jobs/{waits}/cancel", headers=key, json=REASON).json["job"]["status"] == "DISCARDED"
    story = client.get(f"/api/admin/jobs/{waits}", headers=key).json
    assert [step["what"] for step in story["steps"]] == ["made", "cancelled"]
    wrong = client.post(f"{DLQ}/requeue", headers=key, json={**REASON, "expected": 2})
    assert (wrong.status_code, get(database, dead).state) == (409, "FAILED")
    done = client.post(f"{DLQ}/requeue", headers=key, json={**REASON, "expected": 1, "kind": "analyse"})
    assert done.json == {"changed": 1, "refused": [], "left": 0}
    with database.read() as session:
        noted = [one for one in list_entries(session) if one.action.startswith("jobs.")]
    assert {one.details["reason"] for one in noted} == {"upgrade"}
    assert [one.action for one in noted] == [
        "jobs.dead_letters.requeued",
        "jobs.job.cancelled",
        "jobs.kind.resumed",
        "jobs.kind.paused",
    ]


def test_whoever_may_read_a_project_reads_its_jobs_and_changes_nothing_of_the_installation(
    client: FlaskClient,
    database: Database,
    job: Any,
    bearer: Any,
) -> None:
    ours, theirs = job("shop", args={"secret": "x"}), job("other")
    dead = job("other", state="FAILED")
    for scope in ("read", "admin"):
        key = bearer("shop", scope)
        assert client.get(f"/api/admin/jobs/{ours}", headers=key).json["args"] is None
        assert client.get(f"/api/admin/jobs/{theirs}", headers=key).status_code == 404
        assert client.get("/api/admin/jobs?search=x", headers=key).status_code == 403
        for path in ("workers", "kinds", "durations"):
            assert client.get(f"/api/admin/{path}", headers=key).status_code == 403, path
        for path, body in (
            ("kinds/analyse/pause", REASON),
            ("dead-letter-queue/discard", {**REASON, "expected": 1}),
        ):
            assert client.post(f"/api/admin/{path}", headers=key, json=body).status_code == 403, path
        foreign = {**REASON, "expected": 1, "project": "other"}
        assert client.post(f"{DLQ}/discard", headers=key, json=foreign).status_code in (403, 404)
    assert client.post(f"/api/admin/jobs/{theirs}/cancel", headers=bearer("shop"), json=REASON).status_code == 404
    assert client.post(f"/api/admin/jobs/{ours}/cancel", headers=bearer("shop", "read"), json=REASON).status_code == 403
    assert (get(database, dead).state, get(database, ours).state) == ("FAILED", "PENDING")
    assert client.post(f"/api/admin/jobs/{ours}/cancel", headers=bearer("shop"), json=REASON).status_code == 200
