"""What pruning leaves can be restored, and what a manifest says wrongly is found: real backups of a real installation."""

from __future__ import annotations

import json
from pathlib import Path

from quadra.backup.stores.manifest import MANIFEST
from quadra.backup.stores.retention import prune
from quadra.backup.stores.segment_copies import objects_of
from quadra.backup.stores.stores import OBJECTS, Stores
from quadra.backup.take import take
from quadra.backup.verify import verify
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
