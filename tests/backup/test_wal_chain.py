"""How far an archive of the log reaches, and from which base backup a moment is reached: files and plans, no server."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quadra.backup.pitr import wal_chain
from quadra.backup.pitr.base_backup import BaseFacts
from quadra.backup.pitr.plan import Base, OutOfReach, make_plan, parse_target
from quadra.backup.pitr.wal_chain import damaged, follow, lsn
from quadra.core.errors import Conflict
from tests.backup.test_wal_archive import MIB, segment

MONDAY = datetime(2026, 3, 16, 1, tzinfo=UTC)


def name(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{0:08X}{number:08X}"


def archive(path: Path, *names: str, history: str = "") -> Path:
    path.mkdir()
    (path / "archive.json").write_text(f'{{"system_identifier": 7, "segment_bytes": {MIB}}}')
    for each in names:
        (path / f"{each}.gz").write_bytes(gzip.compress(segment(path / "plain").read_bytes()))
    (path / "plain").unlink(missing_ok=True)
    if history:
        (path / "00000002.history.gz").write_bytes(gzip.compress(history.encode()))
    return path


def test_a_chain_ends_before_the_first_segment_that_is_missing(tmp_path: Path) -> None:
    there = archive(tmp_path / "wal", name(3), name(4), name(7), name(8))
    chain = follow(there, timeline=1, start=lsn("0/300028"))
    assert chain.segments == (name(3), name(4))
    assert [str(gap) for gap in chain.gaps] == [f"2 segments are missing, from {name(5)} to {name(6)}"]
    assert follow(there, timeline=1, start=lsn("0/700000")).segments == (name(7), name(8))
    assert follow(there, timeline=1, start=lsn("0/700000")).gaps == ()


def test_after_a_promotion_the_log_goes_on_in_the_segment_of_the_switch(tmp_path: Path) -> None:
    there = archive(
        tmp_path / "wal", name(3), name(4), name(5), name(5, 2), name(6, 2), history="1\t0/500100\tno recovery target\n"
    )
    chain = follow(there, timeline=1, start=lsn("0/300000"))
    assert (chain.segments, chain.gaps, chain.timeline) == ((name(3), name(4), name(5, 2), name(6, 2)), (), 2)


def test_an_archive_that_was_never_set_up_is_said(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="quadra wal setup"):
        follow(tmp_path, timeline=1, start=0)


def test_a_segment_of_another_cluster_of_another_size_or_cut_off_is_damaged(tmp_path: Path) -> None:
    there = archive(tmp_path / "wal", *(name(number) for number in range(4)))
    (there / f"{name(1)}.gz").write_bytes(gzip.compress(segment(tmp_path / "other", system=8).read_bytes()))
    (there / f"{name(2)}.gz").write_bytes(gzip.compress(segment(tmp_path / "short", size=MIB - 1).read_bytes()))
    (there / f"{name(3)}.gz").write_bytes((there / f"{name(0)}.gz").read_bytes()[:-9])
    found = dict(damaged(there, tuple(name(number) for number in range(4))))
    assert set(found) == {name(1), name(2), name(3)}
    assert found[name(1)] == "it is of the cluster 8"
    assert found[name(2)] == f"it has {MIB - 1} bytes instead of {MIB}"


def base(number: int, finished_at: datetime) -> Base:
    lsn_text = f"0/{number}00000"
    facts = BaseFacts("7", 15, 1, lsn_text, lsn_text, finished_at, 1)
    return Base(f"base-{number}", facts, io.BytesIO)


@pytest.fixture
def bases() -> list[Base]:
    """One of each morning, not in order."""
    return [base(number, MONDAY + timedelta(days=number - 3)) for number in (4, 3, 5)]


def plan(there: Path, bases: list[Base], target: datetime | None) -> str:
    return make_plan(bases, there, Path("pg_waldump"), target).base.id


def test_a_moment_is_reached_from_the_last_base_backup_that_ended_before_it(
    tmp_path: Path, bases: list[Base], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = archive(tmp_path / "wal", *(name(number) for number in range(3, 9)))
    last = MONDAY + timedelta(days=3)
    monkeypatch.setattr(wal_chain, "last_commit", lambda *_: last)
    tuesday = MONDAY + timedelta(days=1)
    assert plan(there, bases, MONDAY) == "base-3"
    assert plan(there, bases, tuesday - timedelta(microseconds=1)) == "base-3"
    assert plan(there, bases, tuesday) == "base-4"
    assert plan(there, bases, last - timedelta(microseconds=1)) == "base-5"
    assert plan(there, bases, None) == "base-5"
    with pytest.raises(OutOfReach, match="before the first base backup"):
        plan(there, bases, MONDAY - timedelta(microseconds=1))
    with pytest.raises(OutOfReach, match="the archived log ends"):
        plan(there, bases, last)


def test_a_moment_has_the_zone_that_it_names_and_else_utc() -> None:
    assert parse_target("2026-03-16T01:00:00") == MONDAY
    assert parse_target("2026-03-16T02:00:00+01:00") == MONDAY
    assert parse_target(" 2026-03-16T01:00:00Z ") == MONDAY
    assert parse_target("LATEST") is None
