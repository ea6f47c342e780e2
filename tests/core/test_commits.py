"""Whether something was committed, and whether somebody wrote to a file."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core.commits import Commits
from quadra.core.database import Database
from quadra.core.file_writes import FileWrites
from quadra.core.runtime import Runtime
from quadra.core.settings import load


def test_a_stamp_changes_with_each_commit_and_with_nothing_else(any_database_url: str) -> None:
    database = Database(any_database_url)
    commits = Commits(Runtime(load(), database))
    if database.dialect == "mysql":
        assert commits.stamp() is None
        return
    with database.begin() as session:
        session.execute(sa.text("CREATE TABLE noted (number INTEGER)"))
    seen = [commits.stamp()]
    for number in range(3):
        with database.read() as session:
            session.execute(sa.text("SELECT count(*) FROM noted")).all()
        with database.begin() as session:
            session.execute(sa.text("INSERT INTO noted VALUES (:number)"), {"number": number})
            if database.dialect == "sqlite":  # a server's other databases count in PostgreSQL
                assert commits.stamp() == seen[-1], "it is not committed yet"
        seen.append(commits.stamp())
    assert None not in seen
    assert len(set(seen)) == 4
    commits.close()
    assert commits.stamp() not in seen, "another connection counts from another number"
    commits.close()
    database.dispose()


def test_a_database_that_is_away_has_no_stamp(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/quadra.db")
    assert Commits(Runtime(load(), database)).stamp() is None
    assert Commits(Runtime(load(), Database("sqlite://"))).stamp() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of writes")
def test_whoever_waits_for_writes_to_a_file_is_told_of_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    writes = FileWrites(path)
    assert writes.works
    assert not writes.wait(0)
    for _ in range(2):
        threading.Timer(0.05, lambda: path.write_bytes(b"b")).start()
        assert writes.wait(90)
    writes.close()


def test_where_nothing_is_told_of_a_file_waiting_ends_all_the_same(tmp_path: Path) -> None:
    writes = FileWrites(tmp_path / "missing")
    assert not writes.works
    assert not writes.wait(0.01)
    writes.close()
