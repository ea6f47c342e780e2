"""Backups over HTTP: a running Quadra whose worker takes and verifies them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.backup.conftest import send
from tests.backup.test_replica_routes import call
from tests.clients import database_of, stored_ids
from tests.servers.commands import quadra_command
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture(scope="module")
def quadra(keeper):
    with closing(QuadraProcess(keeper)) as process:
        send(process, "one")
        yield process


def finished(quadra: QuadraProcess, path: str, status: str, body: Any = None) -> Any:
    """Give the order and wait until a worker has done it."""
    code, answer = call(quadra, path, {} if body is None else body)
    assert code == 202, answer
    wanted = answer["job"]["job_id"]

    def done() -> Any:
        jobs = call(quadra, "/admin/jobs?limit=50", root="/api")[1]["jobs"]
        return next((job for job in jobs if job["job_id"] == wanted and job["status"] == status), None)

    found = eventually(done)
    assert found, f"the job did not become {status}"
    return found


def one_of_the_database(quadra: QuadraProcess) -> Any:
    """A backup that is there, or a new one: another process may have run the tests before this one."""
    if not call(quadra, "/backups")[1]["backups"]:
        finished(quadra, "/backups", "SUCCESS", {"kind": "database"})
    return call(quadra, "/backups")[1]["backups"][0]


def test_before_the_first_backup_every_answer_says_what_is_missing(quadra):
    listed = call(quadra, "/backups")
    health = call(quadra, "/health/backups")

    assert listed == (200, {"backups": [], "count": 0, "kinds": ["models", "database", "full"]})
    assert (health[0], health[1]["status"], health[1]["backup_count"]) == (200, "degraded", 0)
    assert "Take one" in health[1]["message"]


def test_a_backup_is_taken_by_a_worker_then_verified_and_is_a_recovery_point(quadra):
    finished(quadra, "/backups", "SUCCESS", {"kind": "database"})
    (taken,) = call(quadra, "/backups")[1]["backups"]
    assert (taken["kind"], taken["verified_at"]) == ("database", None)
    finished(quadra, f"/backups/{taken['id']}/verify", "SUCCESS")

    (verified,) = call(quadra, "/backups")[1]["backups"]
    points = call(quadra, "/recovery-points")[1]
    health = call(quadra, "/health/backups")[1]
    detailed = call(quadra, "/health/detailed")

    assert verified["verified_at"] is not None
    assert verified["verified_by"] == "restore"
    assert [point["backup_id"] for point in points["points"]] == [taken["id"]]
    assert "need PostgreSQL" in points["continuous"]["message"]
    assert (health["status"], health["most_recent_backup"]["id"]) == ("healthy", taken["id"])
    assert (detailed[0], set(detailed[1]["checks"])) == (200, {"database", "backups", "replication"})


def test_nothing_is_restored_over_a_database_that_is_not_empty(quadra):
    backup = one_of_the_database(quadra)

    plan = call(quadra, "/restore", {"id": backup["id"], "dry_run": True})
    refused = call(quadra, "/restore", {"id": backup["id"]})

    assert plan[0] == 200
    assert plan[1]["command"] == f"quadra restore --id {backup['id']} --yes"
    assert (refused[0], refused[1]["error"]["code"]) == (409, "not_empty")
    assert plan[1]["command"] in refused[1]["error"]["message"]


def test_a_damaged_backup_ends_as_a_dead_letter_that_says_where(quadra):
    backup = one_of_the_database(quadra)
    (file,) = (quadra.directory / "data" / "backups" / backup["id"]).glob("database*")
    _flip(file)

    job = finished(quadra, f"/backups/{backup['id']}/verify", "FAILED")

    assert file.name in job["last_error"]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/backups", {}, 400, "kind"),
        ("/backups", {"kind": "base"}, 400, "kind"),
        ("/backups/none/verify", {}, 404, None),
        ("/restore", {}, 400, "id"),
        ("/restore", {"id": "none"}, 404, None),
        ("/restore", {"id": "none", "dry_run": "yes"}, 400, "dry_run"),
        ("/restore", {"id": "none", "dry": True}, 400, "dry"),
        ("/backups?kind=base", {"kind": "full"}, 400, "kind"),
        ("/replication/failover", {"target": "10.0.0.12:5432", "dryrun": True}, 400, "dryrun"),
    ],
)
def test_a_wrong_order_names_what_is_wrong(quadra, path, body, status, field):
    found = call(quadra, path, body)

    assert found[0] == status, found
    assert field is None or field in found[1]["error"]["fields"]


@pytest.mark.parametrize("path", ["/backups", "/recovery-points", "/health/backups", "/health/detailed"])
def test_only_admins_see_backups(quadra, path):
    assert call(quadra, path, key="write_key")[0] == 403


def test_a_restore_under_a_serving_process_is_refused_and_changes_nothing(quadra):
    made = json.loads(quadra.run("backup", "take", "--kind", "database", "--json").stdout)
    with database_of(quadra) as database:
        before = len(stored_ids(database))
    send(quadra, "after the backup")
    words = ("restore", "--id", made["id"], "--yes")
    done = quadra_command(*words, env=quadra._environment(), cwd=quadra.directory)
    assert done.returncode == 1
    assert "A web process serves this database" in done.stderr
    assert "Stop Quadra first" in done.stderr
    with database_of(quadra) as database:
        assert len(stored_ids(database)) == before + 1
