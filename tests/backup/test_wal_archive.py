"""The WAL archive as PostgreSQL calls it: a program of its own, which must never claim what is not safe."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quadra.backup import wal_archive
from quadra.backup.wal_archive import LONG_HEADER, Refused, push
from tests.waiting import eventually

NAME = "000000010000000000000003"
MIB = 2**20


def segment(path: Path, *, system: int = 7, fill: bytes = b"a", size: int = MIB) -> Path:
    head = LONG_HEADER.pack(0xD110, 2, 1, 3 * MIB, 0, system, MIB, 8192)
    path.write_bytes(head + fill * (size - len(head)))
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As archive_command does: no package of ours can be imported."""
    return subprocess.run(
        [sys.executable, "-I", "-S", wal_archive.__file__, *map(str, arguments)], capture_output=True, text=True
    )


def test_a_segment_comes_back_with_the_same_bytes(tmp_path):
    source = segment(tmp_path / "source")

    assert run("push", tmp_path / "wal", source, NAME).returncode == 0
    assert run("fetch", tmp_path / "wal", NAME, tmp_path / "back").returncode == 0

    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert sorted(path.name for path in (tmp_path / "wal").iterdir()) == [f"{NAME}.gz", "archive.json"]


def test_a_file_that_is_not_archived_is_told_apart_from_one_that_is_damaged(tmp_path):
    push(tmp_path / "wal", segment(tmp_path / "source"), NAME)
    damaged = tmp_path / "wal" / f"{NAME}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])

    absent, broken = (run("fetch", tmp_path / "wal", name, tmp_path / "x") for name in ("00000002.history", NAME))

    assert (absent.returncode, absent.stderr) == (1, "")
    assert broken.returncode == 2
    assert NAME in broken.stderr


def test_the_same_bytes_may_come_again_and_other_bytes_are_refused(tmp_path):
    archive = tmp_path / "wal"

    assert push(archive, segment(tmp_path / "one"), NAME) is True
    assert push(archive, segment(tmp_path / "again"), NAME) is False
    with pytest.raises(Refused, match="not replaced"):
        push(archive, segment(tmp_path / "other", fill=b"b"), NAME)

    assert gzip.decompress((archive / f"{NAME}.gz").read_bytes()) == (tmp_path / "one").read_bytes()


def test_another_clusters_segment_is_refused(tmp_path):
    push(tmp_path / "wal", segment(tmp_path / "one"), NAME)

    done = run("push", tmp_path / "wal", segment(tmp_path / "two", system=8), "000000010000000000000004")

    assert done.returncode == 2
    assert "holds the WAL of the cluster 7" in done.stderr


@pytest.mark.parametrize("name", ["../etc/passwd", "000000010000000000000003.gz", "archive.json", ""])
def test_only_names_of_wal_files_are_taken(tmp_path, name):
    with pytest.raises(Refused, match="no name of a WAL file"):
        push(tmp_path / "wal", segment(tmp_path / "source"), name)


def test_what_is_no_segment_is_refused(tmp_path):
    (tmp_path / "source").write_bytes(b"x" * MIB)

    with pytest.raises(Refused, match="does not begin like a WAL segment"):
        push(tmp_path / "wal", tmp_path / "source", NAME)


def test_a_killed_push_leaves_no_segment_and_the_next_one_clears_up(tmp_path):
    archive, source = tmp_path / "wal", segment(tmp_path / "source", size=MIB)
    os.mkfifo(tmp_path / "slow")
    command = [sys.executable, wal_archive.__file__, "push", str(archive), str(tmp_path / "slow"), "00000002.history"]
    process = subprocess.Popen(command)
    with (tmp_path / "slow").open("wb") as pipe:  # it waits for the rest of the file
        pipe.write(b"half")
        pipe.flush()
        eventually(lambda: list(archive.glob(".*.part")))
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert [path.suffix for path in archive.iterdir()] == [".part"]
    assert push(archive, source, "00000002.history") is True
    assert [path.name for path in archive.iterdir()] == ["00000002.history.gz"]
