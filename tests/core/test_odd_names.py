"""A data directory may have any name: characters that mean something in a URL or in a pattern are only characters."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from quadra.core.errors import Misconfigured
from quadra.core.observing.metrics_server import allowed
from quadra.core.settings import load
from quadra.warehouse.query.duck import connect, quoted, rows
from quadra.warehouse.segments.writing import files
from tests.servers.commands import quadra_command

ODD = "a%2Fb?c*d#f=g &h'i ü"


@pytest.mark.parametrize("name", [ODD, "%2F", "what?", "50%", "a@b:c", "d[e]"])
def test_the_database_lies_in_the_directory_that_was_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = load(data_dir=tmp_path / name)
    assert sa.make_url(settings.database_url).database == str(tmp_path / name / "quadra.db")
    assert settings.is_sqlite


def test_an_installation_of_an_odd_name_works_and_touches_nothing_beside_it(tmp_path: Path) -> None:
    """Events, segments, questions, backup, restore; and no file of a neighbour whose name fits the name as a pattern."""
    home = tmp_path / ODD
    neighbour = tmp_path / ODD.replace("?", "x").replace("*", "yz")
    home.mkdir()
    own = {"QUADRA_DATA_DIR": str(home / "data"), "QUADRA_BACKUP_DIR": str(home / "backups")}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "QUADRA_BATCH_MAX_EVENTS": "1", **own}

    def run(*words: str) -> Any:
        done = quadra_command(*words, "--json", env=env, cwd=home)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    run("init")
    (home / "events.ndjson").write_text(
        '{"event_type": "click", "user_id": "u", "event_id": "one", "timestamp": "2026-11-02T12:00:00Z"}\n'
    )
    assert run("import", str(home / "events.ndjson"))["stored"] == 1
    run("warehouse", "compact")
    shutil.copytree(home, neighbour)  # a pattern reads its segments too, and every number doubles
    assert run("warehouse", "verify")["ok"]
    taken = run("backup", "take", "--kind", "database")["id"]
    assert run("backup", "verify", taken)["ok"]
    assert run("restore", "--id", taken, "--yes")["events"] == 1
    steps = {step["name"]: step for step in run("recover", "--no-start")["steps"]}
    assert steps["count"]["ok"], steps
    found = {one["project"]: one for one in run("warehouse", "status")["projects"]}
    assert found["default"]["rows"] == 1, found
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ODD, neighbour.name])


@pytest.mark.parametrize("name", ["a[b]", "a[", "a]b*", "?", "{x,y}", "**"])
def test_a_question_reads_the_files_of_its_directory_and_no_others(name: str, tmp_path: Path) -> None:
    for number, directory in enumerate((name, "ab", "a]b", "a", "x")):  # some of which the name fits as a pattern
        (tmp_path / directory / "segments").mkdir(parents=True)
        duckdb.sql(f"COPY (SELECT {number} AS number) TO {quoted(tmp_path / directory / 'segments' / 'f.parquet')}")
    with closing(connect(load(data_dir=tmp_path / name), tmp_path / name / "segments")) as connection:
        assert rows(connection, f"SELECT number FROM {files([tmp_path / name / 'segments' / 'f.parquet'])}") == [(0,)]


def test_a_name_that_duckdb_cannot_read_is_refused_before_anything_is_stored_there(tmp_path: Path) -> None:
    assert load(data_dir=tmp_path / "a\\b").data_dir == tmp_path / "a\\b"
    with pytest.raises(Misconfigured, match=r"QUADRA_DATA_DIR: no backslash"):
        load(data_dir=tmp_path / "a\\b?")


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:192.0.2.1", False),
        ("fe80::1", False),
        ("what", False),
    ],
)
def test_who_may_read_the_metrics_of_a_socket_for_both_kinds_of_addresses(address: str, may: bool) -> None:
    assert allowed(address, load(metrics_allow="10.0.0.0/8").metrics_allow) is may
