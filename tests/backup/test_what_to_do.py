"""Commands on an installation that cannot be used: one sentence that says what to do, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from quadra.backup.take import take
from quadra.core.settings import load
from tests.servers.commands import quadra_command
from tests.servers.disks import disk
from tests.servers.keeper import Keeper
from tests.servers.nursery import nursery

EVENTS = "\n".join(json.dumps({"event_type": "click", "event_id": f"e{number}"}) for number in range(3_000))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("prepared")
    (home / "events.ndjson").write_text(EVENTS)
    for words in (
        ("init",),
        ("import", "--undated-now", str(home / "events.ndjson")),
        ("backup", "take", "--kind", "database"),
    ):
        done = quadra_command(*words, env=environment(home, home / "data"), cwd=home)
        assert done.returncode == 0, done.stderr
    return home


def environment(home: Path, data: Path) -> dict[str, str]:
    own = {"QUADRA_DATA_DIR": str(data), "QUADRA_BACKUP_DIR": str(home / "backups"), "QUADRA_PORT": "0"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **own}


@pytest.fixture
def mounted(keeper: Keeper, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(disk(keeper, tmp_path / "data", megabytes=6))


def newer(data: Path) -> None:
    with closing(sqlite3.connect(data / "quadra.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_later'")


def damaged(data: Path) -> None:
    path = data / "quadra.db"
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 100))


STATES: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (newer, "Install that version"),
    "damaged": (damaged, "quadra recover"),
}
COMMANDS = ("serve", "init", "import", "restore")


def run(command: str, home: Path, data: Path) -> subprocess.CompletedProcess[str]:
    env = environment(home, data)
    if command == "serve":
        said = home / "said"
        said.unlink(missing_ok=True)
        code = nursery().start("serve", "--no-worker", env=env, cwd=home, log=said).wait(120)
        return subprocess.CompletedProcess(["serve"], code, "", said.read_text())
    more = {
        "import": (
            "--undated-now",
            str(home / "events.ndjson"),
        ),
        "restore": ("--latest", "--yes"),
    }.get(command, ())
    return quadra_command(command, *more, env=env, cwd=home)


def says(done: subprocess.CompletedProcess[str], what: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert sum(what in line for line in done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("state", STATES)
def test_a_database_that_cannot_be_used_is_said_in_one_sentence(state: str, prepared: Path, tmp_path: Path) -> None:
    make, what = STATES[state]
    data = tmp_path / "data"
    shutil.copytree(prepared / "data", data)
    make(data)
    before = (data / "quadra.db").read_bytes()
    for command in COMMANDS[:3]:
        says(run(command, prepared, data), what)
    assert (data / "quadra.db").read_bytes() == before
    done = run("restore", prepared, data)
    if state == "newer":
        assert done.returncode == 0, done.stderr  # of a backup that this version can read
    else:
        says(done, what)


def test_a_backup_of_a_newer_version_is_no_proof_here_and_restores_nothing(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "home")
    home, data = tmp_path / "home", tmp_path / "home" / "data"
    newer(data)
    env = environment(home, data)
    taken = take(load(data_dir=data, backup_dir=home / "backups"), "database").id  # the command refuses
    for level in ("hash", "restore"):
        done = quadra_command("backup", "verify", taken, "--level", level, "--json", env=env, cwd=home)
        found = json.loads(done.stdout)
        assert (done.returncode, found["ok"], len(found["damage"])) == (1, False, 1)
        assert "cannot be restored by this version" in found["damage"][0]
        assert "Install that version" in found["damage"][0]
    listed = json.loads(quadra_command("backup", "list", "--json", env=env, cwd=home).stdout)["backups"]
    assert listed[0]["verified_at"] is None
    before = (data / "quadra.db").read_bytes()
    done = quadra_command("restore", "--id", taken, "--yes", env=env, cwd=home)
    assert done.returncode == 2
    assert "Install that version" in done.stderr
    assert (data / "quadra.db").read_bytes() == before


def test_a_read_only_directory_is_said_in_one_sentence(
    prepared: Path, tmp_path: Path, mounted: Callable[[], Any]
) -> None:
    place = mounted()
    shutil.copytree(prepared / "data", place.path, dirs_exist_ok=True)
    place.make_read_only()
    for command in COMMANDS:
        says(run(command, prepared, place.path), "writable")
    for command in ("serve", "init", "import"):
        says(run(command, prepared, place.path / "new"), "writable")


def test_a_full_disk_is_said_in_one_sentence(prepared: Path, mounted: Callable[[], Any]) -> None:
    place = mounted()
    for command in ("serve", "init"):
        place.fill()
        says(run(command, prepared, place.path), "Make room")
        place.empty()
    shutil.copytree(prepared / "data", place.path, dirs_exist_ok=True)
    place.fill()
    (prepared / "more.ndjson").write_text(EVENTS.replace(': "e', ': "more-'))
    done = quadra_command(
        "import", "--undated-now", str(prepared / "more.ndjson"), env=environment(prepared, place.path), cwd=prepared
    )
    says(done, "Make room")
    says(run("restore", prepared, place.path), "Make room")
