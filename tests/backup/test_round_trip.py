"""Backups made, proven and restored by the commands, on every database, with real programs."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.analytics.tables import Annotation
from quadra.core.database import Database
from tests.servers.commands import quadra_command

EVENTS = 2_000


@dataclass
class Installation:
    """Commands with settings of their own."""

    env: dict[str, str]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return quadra_command(*words, env={**os.environ, **self.env, **more})

    def json(self, *words: str, **more: str) -> dict[str, Any]:
        done = self.run(*words, "--json", **more)
        assert done.returncode == 0, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def marks(self) -> list[str]:
        """What the charts of its projects mark."""
        database = Database(self.env["DATABASE_URL"], pool_size=1)
        try:
            with database.read() as session:
                return list(session.scalars(sa.select(Annotation.text)))
        finally:
            database.dispose()


@pytest.fixture
def here(any_database_url: str, tmp_path: Path) -> Installation:
    return prepared(any_database_url, tmp_path)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Installation:
    """For what is the same with every database."""
    return prepared(f"sqlite:///{tmp_path / 'data' / 'quadra.db'}", tmp_path)


def prepared(database_url: str, tmp_path: Path) -> Installation:
    """With events, some of them in segments."""
    made = Installation({"DATABASE_URL": database_url, "QUADRA_DATA_DIR": str(tmp_path / "data")})
    made.json("init")
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    for path, start in ((first, 0), (second, EVENTS // 2)):
        path.write_text("\n".join(_event(n) for n in range(start, start + EVENTS // 2)))
    made.json("import", "--undated-now", str(first))
    made.run("warehouse", "compact")
    made.json("import", "--undated-now", str(second))
    return made


def _event(number: int) -> str:
    return json.dumps({"event_id": f"e{number}", "event_type": "opened", "user_id": f"u{number % 50}"})


def test_a_backup_is_proven_by_restoring_it_and_comes_back_whole(here: Installation, tmp_path: Path) -> None:
    made = here.json("backup", "take", "--kind", "full")
    assert hashlib.sha256(Path(made["path"]).read_bytes()).hexdigest() == made["sha256"]
    assert Path(made["path"]).stat().st_size == made["bytes"]
    report = here.json("backup", "verify", made["id"])
    assert (report["ok"], report["level"], report["events"]) == (True, "restore", EVENTS)
    here.json("backup", "verify", made["id"], "--level", "hash")  # proves less, and takes nothing back
    listed = here.json("backup", "list")["backups"]
    assert [(one["id"], one["kind"], one["verified_by"]) for one in listed] == [(made["id"], "full", "restore")]
    would = here.json("restore", "--latest", "--dry-run")
    assert (would["id"], would["target_rows"] > 0, would["running"]) == (made["id"], True, "")

    refused = here.run("restore", "--latest")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    lost = tmp_path / "late.ndjson"
    lost.write_text(_event(999_999))
    here.json("import", "--undated-now", str(lost))
    restored = here.json("restore", "--id", made["id"], "--yes")
    assert restored["events"] == EVENTS
    assert restored["safety_backup"] in {one["id"] for one in here.json("backup", "list")["backups"]}
    assert here.marks() == [f"Backup of {restored['created_at']} restored"]  # for the charts of every project
    assert here.json("restore", "--latest", "--dry-run")["id"] == made["id"]  # not what was replaced
    assert here.json("import", "--undated-now", str(lost))["stored"] == 1  # the one from after the backup was gone
    assert (
        here.json("import", "--undated-now", str(tmp_path / "first.ndjson"))["duplicates"] == EVENTS // 2
    )  # the others are there


def test_a_flipped_byte_is_found_and_named(on_sqlite: Installation) -> None:
    made = on_sqlite.json("backup", "take", "--kind", "database")
    path = Path(made["path"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = on_sqlite.run("backup", "verify", made["id"], "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (1, False)
    assert str(path) in report["damage"][0]
    assert made["sha256"] in report["damage"][0]
    refused = on_sqlite.run("restore", "--id", made["id"], "--yes")
    assert refused.returncode == 1
    assert str(path) in refused.stderr


def test_where_a_file_is_damaged_is_told_by_another_copy_or_by_how_far_it_can_be_read(
    on_sqlite: Installation, tmp_path: Path
) -> None:
    key, second = tmp_path / "key", tmp_path / "second"
    key.write_text("5" * 64)
    encrypted = {"QUADRA_BACKUP_KEY_FILE": str(key), "QUADRA_BACKUP_SECONDARY_DIR": str(second)}
    made = on_sqlite.json("backup", "take", "--kind", "database", **encrypted)
    first = Path(made["path"])
    other = second / made["id"] / first.name
    for path, at in ((other, 1_000), (first, 2_000)):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
        done = on_sqlite.run("backup", "verify", made["id"], "--level", "hash", **encrypted)
        assert done.returncode == 1
        if path == other:
            assert f"{other} is damaged" in done.stdout
            assert f"first wrong byte is at offset 1000, as {first.parents[1]} shows" in done.stdout
    assert "offset" not in done.stdout  # no copy is sound any more
    assert done.stdout.count("It can be read up to byte 0 of ") == 2


def test_where_a_segment_is_damaged_is_told_by_the_file_that_questions_read_or_by_another_copy(
    on_sqlite: Installation, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    twice = {"QUADRA_BACKUP_SECONDARY_DIR": str(second)}
    made = on_sqlite.json("backup", "take", "--kind", "database", **twice)
    (read,) = Path(on_sqlite.env["QUADRA_DATA_DIR"], "segments").rglob("*.parquet")
    content = bytearray(read.read_bytes())
    (kept,) = (
        path for path in Path(made["path"]).parents[1].rglob("*") if path.is_file() and path.read_bytes() == content
    )
    content[700] ^= 1
    kept.write_bytes(content)
    for shows in (read, second):
        done = on_sqlite.run("backup", "verify", made["id"], "--level", "hash", **twice)
        assert done.returncode == 1
        assert "no sound copy of segment" in done.stdout
        assert f"first wrong byte is at offset 700, as {shows} shows" in done.stdout
        read.unlink(missing_ok=True)


def test_an_encrypted_backup_needs_its_key(on_sqlite: Installation, tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_text("5" * 64)
    other.write_text("6" * 64)
    made = on_sqlite.json(
        "backup", "take", "--kind", "full", QUADRA_BACKUP_KEY_FILE=str(key), QUADRA_BACKUP_COMPRESSION="gzip"
    )
    assert b"opened" not in Path(made["path"]).read_bytes()
    assert on_sqlite.json("backup", "verify", made["id"], QUADRA_BACKUP_KEY_FILE=str(key))["events"] == EVENTS
    assert "is encrypted" in on_sqlite.run("backup", "verify", made["id"]).stderr
    assert (
        "encrypted with the key"
        in on_sqlite.run("backup", "verify", made["id"], QUADRA_BACKUP_KEY_FILE=str(other)).stderr
    )


def test_a_full_backup_is_also_one_tar_that_other_programs_read(on_sqlite: Installation, tmp_path: Path) -> None:
    data, logs, key, to = (tmp_path / name for name in ("data", "logs", "key", "out"))
    for directory in (data / "models", logs, to):
        directory.mkdir(exist_ok=True)
    (data / "models" / "m.npz").write_bytes(b"model")
    for name in ("all-web.log", "errors-web.log.1", "all-old.log", "other.log"):
        (logs / name).write_text(f"{name}\n")
    os.utime(logs / "all-old.log", (0, 0))
    (logs / "all-link.log").symlink_to("all-web.log")
    key.write_text(os.urandom(32).hex())
    on_sqlite.env |= {
        "QUADRA_LOGS_DIR": str(logs),
        "QUADRA_BACKUP_KEY_FILE": str(key),
        "QUADRA_SECRET_KEY": "not-in-the-tar",
        "QUADRA_SMTP_URL": "smtp://ada:not-in-it@mail.example",
    }
    on_sqlite.json("backup", "take", "--kind", "full")
    made = on_sqlite.json("backup", "tar", "--to", str(to))
    tar = Path(made["path"])
    checked = subprocess.run(
        ["sha256sum", "-c", f"{tar.name}.sha256"], cwd=to, capture_output=True, text=True, check=True
    )
    assert checked.stdout == f"{tar.name}: OK\n"
    names = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"models/", "database/", "segments/", "settings", "logs/", "backup_metadata.json"} <= set(names)
    assert sorted(name for name in names if name.startswith("logs/") and name != "logs/") == [
        "logs/all-web.log",
        "logs/errors-web.log.1",
    ]
    subprocess.run(["tar", "-xf", tar], cwd=to, check=True)
    settings = (to / "settings").read_text()
    assert f"QUADRA_LOGS_DIR={logs}\n" in settings
    assert "QUADRA_SMTP_URL=smtp://ada:***@mail.example\n" in settings
    assert "not-in" not in settings
    assert (to / "models" / "m.npz").read_bytes() == b"model"
    assert [path for path in (to / "segments").rglob("*") if path.is_file()]
    with closing(sqlite3.connect(to / "database" / "database.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    again = on_sqlite.run("backup", "tar", "--to", str(to))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    packed = next((data / "backups" / made["id"]).glob("logs.tar*"))
    packed.write_bytes(packed.read_bytes()[:-20] + bytes(20))
    damaged = on_sqlite.run("backup", "tar", "--to", str(to / "damaged.tar"))
    assert (damaged.returncode, "logs.tar" in damaged.stderr) == (1, True)
    assert [path.name for path in to.glob("*damaged*")] == []
