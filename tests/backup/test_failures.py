"""What goes wrong while a backup is made or brought back: a clear sentence, nothing half published, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quadra.backup.take import take
from quadra.core.database import Database
from quadra.core.errors import QuadraError
from quadra.core.settings import Settings
from tests.backup.test_recover import here, installation, prepared  # noqa: F401 - fixtures
from tests.backup.test_round_trip import EVENTS, Installation, _event
from tests.servers.postgres import PostgresServer

POINTS = 20


def test_a_kill_at_twenty_points_never_lists_a_broken_backup(here: Installation) -> None:  # noqa: F811
    shutil.rmtree(here.env["QUADRA_BACKUP_DIR"])
    command = [sys.executable, "-m", "tests.backup.killed_takes", str(POINTS)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **here.env}, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] > POINTS
    assert {one["killed_by"] for one in found["results"]} == {signal.SIGKILL}
    assert all(one["sound"] for one in found["results"])
    assert found["left"] == []
    assert found["last"] in {one["id"] for one in here.json("backup", "list")["backups"]}


def test_a_full_disk_is_said_and_leaves_no_backup(here: Installation) -> None:  # noqa: F811
    before = here.json("backup", "list")["backups"]
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 40; exec {sys.executable} -m quadra backup take --kind database"],
        capture_output=True,
        text=True,
        env={**os.environ, **here.env},
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert any(word in done.stderr for word in ("File too large", "disk I/O error", "full"))
    assert here.json("backup", "list")["backups"] == before
    assert not list(Path(here.env["QUADRA_BACKUP_DIR"]).glob(".*.part"))


def test_half_a_manifest_is_no_backup(here: Installation) -> None:  # noqa: F811
    (only,) = here.json("backup", "list")["backups"]
    manifest = Path(here.env["QUADRA_BACKUP_DIR"]) / only["id"] / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:200])
    listed = here.json("backup", "list")
    assert (listed["backups"], [str(manifest) in said for said in listed["damaged"]]) == ([], [True])
    done = here.run("restore", "--id", only["id"], "--yes")
    assert (done.returncode, "no backup" in done.stderr) == (1, True)


def test_a_missing_program_and_a_wrong_password_are_named(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.database()
    made = Installation({"DATABASE_URL": url, "QUADRA_DATA_DIR": str(tmp_path / "data")})
    made.json("init")
    done = made.run("backup", "take", "--kind", "database", QUADRA_POSTGRES_BIN=str(tmp_path))
    assert done.returncode == 1
    assert "pg_dump is not on this machine" in done.stderr
    assert made.json("backup", "list")["backups"] == []
    wrong = url.replace("quadra:quadra@", "quadra:not-this-one@")
    done = made.run("backup", "take", "--kind", "database", DATABASE_URL=wrong)
    assert done.returncode == 1
    assert "password" in done.stderr
    assert "not-this-one" not in done.stderr
    postgres.drop(url)


def test_an_empty_database_gives_no_backup(any_database_url: str, tmp_path: Path) -> None:
    """It passed for a fresh one, and a release was deployed with nothing that could be restored."""
    settings = Settings(database_url=any_database_url, data_dir=tmp_path / "data")
    if any_database_url.startswith("sqlite"):
        Database(any_database_url).ping()  # makes the file
    with pytest.raises(QuadraError, match="quadra init"):
        take(settings, "database")
    assert not [one for one in (tmp_path / "data" / "backups").iterdir() if "database" in one.name]


@pytest.mark.parametrize("lost", ["database", "everything"])
def test_nobody_who_was_erased_comes_back(here: Installation, lost: str) -> None:  # noqa: F811
    (before,) = here.json("backup", "list")["backups"]
    assert here.run("erase", "u7", "--project", "default").returncode == 0
    here.json("backup", "take", "--kind", "database")
    data = Path(here.env["QUADRA_DATA_DIR"])
    if lost == "everything":
        shutil.rmtree(data)
    else:
        (data / "quadra.db").unlink()
    here.json("restore", "--id", before["id"])
    again = data.parent / "again.ndjson"
    again.write_text("\n".join(_event(n) for n in range(EVENTS)))
    assert (
        here.json("import", "--undated-now", str(again))["stored"] == EVENTS // 50
    )  # the events of u7, which were gone
