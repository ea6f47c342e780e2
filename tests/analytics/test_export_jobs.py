"""Exports that a worker makes: whole or not offered, for whom they are, bounded, and without who was erased."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from quadra.accounts.audit import list_entries
from quadra.accounts.tables import Project
from quadra.analytics import export_files, export_job
from quadra.analytics.tables import ExportedFile
from quadra.core import clock
from quadra.insights.forgetting import ERASED
from quadra.job_kinds import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.jobs.states import DISCARDED, FAILED, PENDING, SUCCESS
from quadra.jobs.tables import Job
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from tests.analytics.conftest import As, Place
from tests.analytics.exports import MINUTE, take, work
from tests.analytics.reference import ev
from tests.servers.commands import run_module
from tests.waiting import eventually

MARCH = {"from": "2026-03-01", "to": "2026-03-31"}
HISTORY = [
    ev("v", "2026-03-04 10:00", "b", plan="free"),
    ev("u", "2026-03-02 10:00", "a", plan="pro"),
    ev("w", "2026-03-03 09:00", "c", plan="pro"),
]


@pytest.fixture(autouse=True)
def room_on_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(place.runtime.settings, "export_free_mb", 0)
    yield
    with (
        place.runtime.database.begin() as session
    ):  # what a test leaves is nobody's to claim, and no file in the next one's way
        session.execute(sa.delete(Job))
    for path in export_files.directory(place.runtime.settings).glob("*"):
        path.unlink()


class Exports:
    """The doors, with a key of a project."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]):
        self._client, self._headers = client, headers

    def ask(self, status: int = 202, **asked: Any) -> Any:
        return self("POST", "", status, json={"format": "ndjson", **MARCH, **asked}).json

    def list(self) -> Any:
        return self("GET", "").json["exports"]

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = self._client.open(f"/api/exports{path}", method=method, headers=self._headers, buffered=True, **more)
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def project(place: Place) -> Project:
    return place.tell(HISTORY)


@pytest.fixture
def exports(client: FlaskClient, as_: As, project: Project) -> Exports:
    return Exports(client, as_(project.slug))


def files(place: Place) -> list[str]:
    data = place.runtime.settings.data_dir
    return sorted(path.name for folder in ("exports", "spill") for path in (data / folder).glob("export-*"))


def names(text: str) -> list[str]:
    return [json.loads(line)["event_name"] for line in text.splitlines()]


def erase(place: Place, project: Project, user_id: str) -> None:
    with place.runtime.database.begin() as session:
        _, job = request_erasure(session, project.id, user_id, max_attempts=5)
    run_erasure(place, job.id)


def run_erasure(place: Place, job_id: str) -> None:
    with place.runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[ERASE], limit=1, length=MINUTE)
    assert job.id == job_id
    HANDLERS[ERASE].work(place.runtime, Lease(job, MINUTE))


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "parquet"])
def test_the_file_is_what_the_door_streams(
    exports: Exports, client: FlaskClient, as_: As, project: Project, place: Place, form: str
) -> None:
    made = exports.ask(format=form, where={"plan": "pro"})
    assert (made["state"], made["bytes"], made["progress"]) == ("waiting", 0, None)
    assert work(place.runtime).state == SUCCESS
    (found,) = exports.list()
    file = exports("GET", f"/{made['id']}/file")
    streamed = client.get(
        "/api/analytics/export",
        query_string={"format": form, **MARCH, "where[plan]": "pro"},
        headers=as_(project.slug),
    )
    assert file.data == streamed.data
    assert file.headers["Content-Disposition"] == f"attachment; filename={made['name']}"
    assert file.headers["Content-Type"] == streamed.headers["Content-Type"]
    assert (found["state"], found["bytes"], found["progress"]) == ("done", len(file.data), 1.0)


def test_deeds_about_exports_stand_in_the_audit_log(exports: Exports, project: Project, place: Place) -> None:
    made = exports.ask()
    work(place.runtime)
    exports("HEAD", f"/{made['id']}/file")  # takes nothing away
    exports("GET", f"/{made['id']}/file")
    exports("DELETE", f"/{made['id']}")
    with place.runtime.database.read() as session:
        noted = list_entries(session, project_id=project.id)
    deeds = [entry.action for entry in noted if entry.action.startswith("analytics.export.")]
    assert deeds[::-1] == [f"analytics.export.{verb}" for verb in ("asked", "downloaded", "deleted")]
    assert files(place) == []


def test_an_export_is_for_viewers_of_its_project_and_deleted_by_its_asker_or_an_editor(
    exports: Exports, client: FlaskClient, as_: As, project: Project, place: Place
) -> None:
    made = exports.ask()
    work(place.runtime)
    elsewhere, other, ingest, admin = (
        Exports(client, headers)
        for headers in (
            as_(place.project().slug),
            as_(project.slug),
            as_(project.slug, "ingest"),
            as_(project.slug, "admin"),
        )
    )
    for method, path in (("GET", "/file"), ("DELETE", "")):
        elsewhere(method, f"/{made['id']}{path}", 404)
        ingest(method, f"/{made['id']}{path}", 403)
    ingest("POST", "", 403, json={})
    assert elsewhere.list() == []
    other("GET", f"/{made['id']}/file")
    other("DELETE", f"/{made['id']}", 403)
    assert files(place)
    admin("DELETE", f"/{made['id']}")
    assert files(place) == []


def test_wrong_fields_are_named_and_nothing_is_begun(exports: Exports) -> None:
    answer = exports("POST", "", 400, json={"format": "xls", "from": "soon", "knid": "page"})
    assert set(answer.json["error"]["fields"]) == {"format", "from", "knid"}
    assert exports.list() == []


@pytest.mark.parametrize("when", ["while it writes", "before the commit"])
def test_a_worker_that_is_killed_offers_nothing_and_the_next_one_makes_all_of_it(
    exports: Exports, place: Place, tmp_path: Path, when: str
) -> None:
    made = exports.ask()
    url, data = str(place.runtime.database.url), str(place.runtime.settings.data_dir)
    done = run_module("tests.analytics.export_crash", url, data, when, env={"PATH": os.environ["PATH"]})
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = files(place)
    assert len(left) == 1
    (found,) = exports.list()
    assert found["state"] == "running"
    exports("GET", f"/{made['id']}/file", 409)
    with place.runtime.database.begin() as session:  # as upkeep does when the lease has run out
        session.execute(sa.update(Job).values(state=PENDING, lease_token=None))
    assert work(place.runtime).state == SUCCESS
    assert names(exports("GET", f"/{made['id']}/file").text) == ["a", "c", "b"]
    assert len(files(place)) == 1
    assert files(place) != left


def test_an_erasure_takes_the_files_that_were_made_before(exports: Exports, project: Project, place: Place) -> None:
    asked = exports.ask(where={"user_id": ["v", "u"]})
    work(place.runtime)
    erase(place, project, "v")
    assert files(place) == []
    (found,) = exports.list()
    assert found["state"] == "erased"
    assert found["asked"]["where[user_id]"] == [ERASED, "u"]
    exports("GET", f"/{asked['id']}/file", 409)
    again = exports.ask()
    work(place.runtime)
    assert names(exports("GET", f"/{again['id']}/file").text) == ["a", "c"]


def test_an_attempt_during_which_somebody_is_erased_begins_again(
    exports: Exports, project: Project, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish comes when all is written, and before it is offered."""
    made, offer = exports.ask(), export_job._offer

    def offer_late(*given: Any) -> bool:
        erase(place, project, "v")
        return offer(*given)

    monkeypatch.setattr(export_job, "_offer", offer_late)
    assert work(place.runtime).state == PENDING
    assert files(place) == []
    assert exports.list()[0]["state"] == "waiting"
    monkeypatch.setattr(export_job, "_offer", offer)
    with place.runtime.database.begin() as session:
        session.execute(sa.update(Job).values(available_at=clock.now()))
    assert work(place.runtime).state == SUCCESS
    assert names(exports("GET", f"/{made['id']}/file").text) == ["a", "c"]


def test_a_full_disk_ends_an_export_before_it_begins_and_while_it_writes(
    exports: Exports, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports.ask()
    monkeypatch.setattr(export_files, "lacking_mb", lambda _settings: 7)
    assert work(place.runtime).state == FAILED
    found = exports.list()[0]
    assert found["state"] == "failed"
    assert "lacks 7 MB" in found["error"]

    exports.ask()
    lacking = iter([0])  # the look before it begins
    monkeypatch.setattr(export_files, "lacking_mb", lambda _settings: next(lacking, 7))
    monkeypatch.setattr(export_job, "LOOK_SECONDS", 0.001)
    passed = export_job.Watch.passed

    def pass_slowly(watch: export_job.Watch, part: float) -> None:
        eventually(lambda: watch._stopped)
        passed(watch, part)

    monkeypatch.setattr(export_job.Watch, "passed", pass_slowly)
    assert work(place.runtime).state == FAILED
    assert "lacks 7 MB" in exports.list()[0]["error"]
    assert files(place) == []


def test_an_export_that_is_cancelled_while_it_runs_stops_and_leaves_nothing(
    exports: Exports, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, run = exports.ask(), take(place.runtime)
    exports("DELETE", f"/{made['id']}")
    ended = run.work(place.runtime, timedelta(0))
    assert ended.state is None
    assert exports.list() == []
    with place.runtime.database.read() as session:
        assert session.scalars(sa.select(Job.state)).all() == [DISCARDED]
    export_files.tidy(place.runtime)
    monkeypatch.setattr(export_files, "ORPHAN_SECONDS", -60)
    export_files.tidy(place.runtime)
    assert files(place) == []


def test_a_few_are_made_at_once_and_the_oldest_goes_where_there_are_many(
    exports: Exports, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_files, "FILES_MOST", 3)
    first = exports.ask()
    work(place.runtime)
    for _ in range(2):
        exports.ask()
    assert len(exports.list()) == 3
    exports.ask()
    assert first["id"] not in {one["id"] for one in exports.list()}
    assert files(place) == []
    exports.ask(409)


def test_files_go_when_they_are_old_or_no_row_offers_them(
    exports: Exports, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, kept = exports.ask(), exports.ask()
    for _ in range(2):
        work(place.runtime)
    orphan = export_files.directory(place.runtime.settings) / "export-nobody.csv"
    orphan.write_text("half")
    days = place.runtime.settings.export_keep_days
    with place.runtime.database.begin() as session:
        row = session.get_one(ExportedFile, old["id"])
        row.created_at = clock.now() - timedelta(days=days, seconds=1)
    export_files.tidy(place.runtime)
    assert len(files(place)) == 2  # the orphan may be of an attempt that still runs
    monkeypatch.setattr(export_files, "ORPHAN_SECONDS", -60)
    export_files.tidy(place.runtime)
    assert [one["id"] for one in exports.list()] == [kept["id"]]
    assert len(files(place)) == 1
    exports("GET", f"/{kept['id']}/file")
