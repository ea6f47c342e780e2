"""`quadra recover` on what people find at 3 a.m.: real files and databases, damaged on purpose."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.backup.test_round_trip import EVENTS, Installation, _event


def installation(home: Path) -> Installation:
    data = home / "data"
    return Installation(
        {
            "DATABASE_URL": f"sqlite:///{data / 'quadra.db'}",
            "QUADRA_DATA_DIR": str(data),
            "QUADRA_BACKUP_DIR": str(home / "backups"),
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On SQLite, with a backup beside it, and events in segments and in the database. Each test gets a copy."""
    home = tmp_path_factory.mktemp("prepared")
    made = installation(home)
    made.json("init")
    for start in (0, EVENTS // 2):
        path = home / f"{start}.ndjson"
        path.write_text("\n".join(_event(n) for n in range(start, start + EVENTS // 2)))
        made.json("import", "--undated-now", str(path))
        if not start:
            made.run("warehouse", "compact")
    made.json("backup", "take", "--kind", "full")
    return home


@pytest.fixture
def here(prepared: Path, tmp_path: Path) -> Installation:
    shutil.copytree(prepared, tmp_path / "here")
    return installation(tmp_path / "here")


def recover(here: Installation, *words: str, **more: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    done = here.run("recover", "--json", *words, **more)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    return done.returncode, found, {step["name"]: step for step in found["steps"]}


def data_of(here: Installation) -> Path:
    return Path(here.env["QUADRA_DATA_DIR"])


def events(here: Installation) -> int:
    """Each one once, by trying to import them again: what is new was missing."""
    lines = "\n".join(_event(n) for n in range(EVENTS))
    path = data_of(here).parent / "again.ndjson"
    path.write_text(lines)
    return int(here.json("import", "--undated-now", str(path))["duplicates"])


def hashes(directory: Path) -> dict[str, str]:
    """Without SQLite's journal, which is empty here and comes and goes with whoever opens the database."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_on_a_sound_installation_it_changes_nothing(here: Installation) -> None:
    before = hashes(data_of(here))
    code, found, steps = recover(here)
    assert (code, found["ok"], found["changed"]) == (0, True, [])
    assert "nothing was started" in steps["start"]["message"]
    assert hashes(data_of(here)) == before


def test_an_empty_machine_gets_everything_back_and_a_second_run_changes_nothing(here: Installation) -> None:
    shutil.rmtree(data_of(here))
    code, found, steps = recover(here)
    assert (code, found["ok"]) == (0, True), found
    assert f"{EVENTS:,} events" in steps["database"]["message"]
    assert f"{EVENTS:,} events" in steps["count"]["message"]
    assert "answered that it is ready" in steps["start"]["message"]
    assert events(here) == EVENTS
    assert recover(here)[1]["changed"] == []


def test_a_torn_database_is_moved_aside_restored_and_its_newer_events_are_saved(here: Installation) -> None:
    late = data_of(here).parent / "late.ndjson"
    late.write_text("\n".join(_event(n) for n in range(50_000, 50_300)))
    here.json("import", "--undated-now", str(late))
    path = data_of(here) / "quadra.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit_entry'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    code, found, steps = recover(here)
    assert (code, found["ok"]) == (0, True), found
    assert "300 of them newer and kept" in steps["database"]["message"]
    assert list(data_of(here).glob("quadra.db.damaged-*/quadra.db"))
    assert here.json("import", "--undated-now", str(late))["duplicates"] == 300
    assert events(here) == EVENTS


def test_a_damaged_index_is_built_anew_and_the_backup_is_not_asked(here: Installation) -> None:
    late = data_of(here).parent / "late.ndjson"
    late.write_text(_event(60_000))
    here.json("import", "--undated-now", str(late))
    path = data_of(here) / "quadra.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_event_batch_id'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    code, found, steps = recover(here, "--no-start")
    assert (code, found["ok"]) == (0, True), found
    assert "no row was lost" in steps["database"]["message"]
    assert here.json("import", "--undated-now", str(late))["duplicates"] == 1


def test_missing_and_damaged_segments_are_fetched_and_the_database_stays(here: Installation) -> None:
    late = data_of(here).parent / "late.ndjson"
    late.write_text(_event(70_000))
    here.json("import", "--undated-now", str(late))
    (segment,) = (data_of(here) / "segments").rglob("*.parquet")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    code, found, steps = recover(here, "--no-start")
    assert (code, found["changed"]) == (0, ["segments"])
    assert "fetched from backups" in steps["segments"]["message"]
    segment.unlink()
    assert recover(here, "--no-start")[0] == 0
    assert here.json("import", "--undated-now", str(late))["duplicates"] == 1

    shutil.rmtree(here.env["QUADRA_BACKUP_DIR"])
    segment.unlink()
    code, found, steps = recover(here, "--no-start")
    assert (code, steps["segments"]["ok"]) == (1, False)
    assert segment.name in steps["segments"]["message"]


def test_without_a_backup_a_damaged_database_stays_where_it_is(here: Installation) -> None:
    shutil.rmtree(here.env["QUADRA_BACKUP_DIR"])
    path = data_of(here) / "quadra.db"
    torn = b"not a database at all" * 1000
    path.write_bytes(torn)
    code, found, steps = recover(here)
    assert (code, found["ok"]) == (1, False)
    assert "there is no backup in" in steps["database"]["message"]
    assert path.read_bytes() == torn


def test_a_backup_that_does_not_restore_is_named_and_the_one_before_it_is_taken(here: Installation) -> None:
    newer = here.json("backup", "take", "--kind", "database")
    path = Path(newer["path"])
    path.write_bytes(path.read_bytes()[:-100])
    (data_of(here) / "quadra.db").unlink()
    code, found, steps = recover(here, "--no-start")
    assert (code, found["ok"]) == (0, True)
    assert newer["id"] in steps["database"]["message"]
    assert events(here) == EVENTS


def test_a_server_that_is_away_is_said_and_nothing_is_touched(here: Installation) -> None:
    code, found, steps = recover(here, DATABASE_URL="postgresql://quadra:x@127.0.0.1:9/quadra")
    assert (code, found["ok"], list(steps)) == (1, False, ["look"])
    assert "does not answer" in steps["look"]["message"]
    assert ":x@" not in json.dumps(found)
