"""What pruning leaves can be restored, and what a manifest says wrongly is found: real backups of a real installation."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from quadra.backup import take as taking
from quadra.backup.stores.manifest import MANIFEST
from quadra.backup.stores.retention import prune
from quadra.backup.stores.segment_copies import objects_of
from quadra.backup.stores.stores import OBJECTS, Stores
from quadra.backup.take import Busy, one_at_a_time, take
from quadra.backup.verify import verify
from quadra.core.errors import Unavailable
from quadra.core.settings import load
from tests.warehouse.conftest import compact_all, erase, event, installation, store

NOTHING_STAYS = {f"backup_keep_{name}": 0 for name in ("days", "hourly", "daily", "weekly", "monthly")}


def test_with_nothing_to_keep_the_newest_stays_with_its_segments_and_is_sound(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, **NOTHING_STAYS) as runtime:
        settings = runtime.settings
        store(runtime, [event(number, days_ago=number % 2) for number in range(20)])
        compact_all(runtime)
        first = take(settings, "database")
        erase(runtime, "u-3")  # its segments are written anew
        second = take(settings, "database")
        assert not objects_of(first.segments, "") <= objects_of(second.segments, "")
        done = prune(settings)
        assert (done.backups, done.problems) == ([first.id], [])
        (left,) = Stores(settings).list()
        assert left.manifest.id == second.id
        assert set(left.stores[0].names(f"{OBJECTS}/")) == objects_of(second.segments, "")
        report = verify(settings, left)
        assert (report.ok, report.damage, report.segments) == (True, [], len(second.segments))
        assert prune(settings).backups == []


def test_a_dry_run_says_what_goes_and_removes_nothing(tmp_path: Path) -> None:
    given = load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'q.db'}", **NOTHING_STAYS)
    first, second = take(given, "models"), take(given, "models")
    files = sorted(path for path in Stores(given).home.root.rglob("*"))
    done = prune(given, dry_run=True)
    assert (done.backups, list(done.kept)) == ([first.id], [second.id])
    assert sorted(path for path in Stores(given).home.root.rglob("*")) == files
    assert prune(given).backups == [first.id]


def test_what_a_damaged_manifest_may_list_stays_and_is_said(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, **NOTHING_STAYS) as runtime:
        settings = runtime.settings
        store(runtime, [event(number) for number in range(5)])
        compact_all(runtime)
        first = take(settings, "database")
        (Stores(settings).home.root / first.id / MANIFEST).write_text("{")
        erase(runtime, "u-3")
        take(settings, "database")
        done = prune(settings)
        assert done.objects == 0
        assert first.id in done.problems[0]
        assert set(Stores(settings).home.names(f"{OBJECTS}/")) >= objects_of(first.segments, "")


def test_a_backup_that_would_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that it fills is the one that the database writes to."""
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path) as runtime:
        store(runtime, [event(number) for number in range(5)])
        room = [1_000]
        monkeypatch.setattr(taking.shutil, "disk_usage", lambda _path: SimpleNamespace(free=room[0]))
        with pytest.raises(Unavailable, match="MB free; a backup of this database wants"):
            take(runtime.settings, "database")
        assert Stores(runtime.settings).list() == []
        room[0] = 2**30
        assert take(runtime.settings, "database").kind == "database"


def test_while_one_backup_is_made_nobody_makes_or_removes_another(tmp_path: Path) -> None:
    given = load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'q.db'}")
    with one_at_a_time(Stores(given).home.root):
        for other in (lambda: take(given, "models"), lambda: prune(given)):
            with pytest.raises(Busy):
                other()
    assert take(given, "models").kind == "models"
    assert prune(given).backups == []


def test_a_manifest_that_counts_one_row_more_or_less_is_found(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path) as runtime:
        settings = runtime.settings
        store(runtime, [event(number) for number in range(20)])
        taken = take(settings, "database")
        path = Stores(settings).home.root / taken.id / MANIFEST
        said = json.loads(path.read_bytes())
        for by in (1, -1):
            counts = {**said["counts"], "event": said["counts"]["event"] + by}
            path.write_text(json.dumps({**said, "counts": counts}))
            report = verify(settings, Stores(settings).find(taken.id))
            assert not report.ok
            assert f"event has 20 rows, should have {20 + by}" in report.damage[0]
        path.write_text(json.dumps(said))
        assert verify(settings, Stores(settings).find(taken.id)).ok
