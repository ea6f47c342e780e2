"""Segments in a fake S3 (moto's server): the same promises, and a directory that is only a cache of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.erasure.erase_list import Entry, path_of, read_all, remember
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import catalogue, s3_store
from quadra.warehouse.segments.merging import merge_some
from quadra.warehouse.segments.s3_store import S3Store
from quadra.warehouse.segments.sweeping import remove_orphans, remove_retired
from quadra.warehouse.segments.verifying import find_damage, live_segments, verify
from tests.servers.moto import MotoServer
from tests.warehouse.conftest import compact_all, event, installation, numbers, store


@pytest.fixture
def runtime(fake_s3: MotoServer, tmp_path: Path) -> Iterator[Runtime]:
    given = {name.removeprefix("QUADRA_").lower(): value for name, value in fake_s3.environment.items()}
    place = f"{fake_s3.bucket()}/quadra"
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path, segment_s3=place, **given) as found:
        yield found


def kept(runtime: Runtime) -> S3Store:
    found = warehouse_of(runtime).store
    assert isinstance(found, S3Store)
    return found


def paths(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return [segment.path for segment in catalogue.live(session, 1)]


def forget(runtime: Runtime) -> None:
    """What this machine has: as on a new one."""
    shutil.rmtree(kept(runtime).root)


def test_segments_lie_in_the_bucket_and_a_new_machine_reads_them(runtime: Runtime) -> None:
    store(runtime, [event(number, days_ago=number % 3) for number in range(30)])
    compact_all(runtime)
    assert {found.name for found in kept(runtime).bucket.list()} == set(paths(runtime))
    assert len(paths(runtime)) == 3
    assert numbers(runtime) == list(range(30))
    forget(runtime)
    assert numbers(runtime) == list(range(30))
    assert all((kept(runtime).root / path).exists() for path in paths(runtime))
    assert verify(runtime) == []


def test_merged_files_leave_the_bucket_and_orphans_too(runtime: Runtime) -> None:
    for part in range(4):
        store(runtime, [event(number) for number in range(part * 10, part * 10 + 10)])
        compact_all(runtime)
    with runtime.database.read() as session:
        day = live_segments(session)[0].day
    forget(runtime)
    assert merge_some(runtime, 1, day) == 4
    assert remove_retired(runtime) == 4
    assert [found.name for found in kept(runtime).bucket.list()] == paths(runtime)
    kept(runtime).bucket.put_bytes("1/2026-01/orphan.parquet", b"x")
    assert remove_orphans(runtime, older_than_seconds=3_600) == []
    assert remove_orphans(runtime, older_than_seconds=0) == ["1/2026-01/orphan.parquet"]
    assert numbers(runtime) == list(range(40))


def test_a_flipped_byte_in_the_bucket_is_named_and_one_in_the_cache_is_healed(
    runtime: Runtime, fake_s3: MotoServer
) -> None:
    store(runtime, [event(number) for number in range(10)])
    compact_all(runtime)
    with runtime.database.read() as session:
        segment = live_segments(session)[0]
    here = kept(runtime).root / segment.path
    content = bytearray(here.read_bytes())
    content[len(content) // 2] ^= 1
    here.write_bytes(content)
    assert numbers(runtime) == list(range(10))
    assert here.read_bytes() != content
    here.write_bytes(content)
    assert find_damage(warehouse_of(runtime), segment) is None
    assert numbers(runtime) == list(range(10))
    bucket = kept(runtime).bucket
    fake_s3.client.put_object(Bucket=bucket.bucket, Key=f"quadra/{segment.path}", Body=bytes(content))
    damage = find_damage(warehouse_of(runtime), segment)
    assert damage is not None
    assert (damage.path, damage.what) == (segment.path, "its sha256")
    bucket.remove(segment.path)
    gone = find_damage(warehouse_of(runtime), segment)
    assert gone is not None
    assert gone.what == "the file"


def test_a_question_says_what_is_missing_and_waits_for_no_store_that_is_away(
    runtime: Runtime, fake_s3: MotoServer
) -> None:
    store(runtime, [event(number) for number in range(10)])
    compact_all(runtime)
    kept(runtime).bucket.remove(paths(runtime)[0])
    assert numbers(runtime) == list(range(10))  # it is still here
    forget(runtime)
    with pytest.raises(Unavailable, match="is not in the bucket") as raised:
        numbers(runtime)
    assert raised.value.code == "segment_missing"


def test_the_cache_makes_room_by_what_was_not_used_for_the_longest(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "TIDY_SECONDS", 0.0)
    store(runtime, [event(number, days_ago=number % 3) for number in range(30)])
    compact_all(runtime)
    files = [kept(runtime).root / path for path in paths(runtime)]
    hours = 3_600
    for path, age in zip(files, (3 * hours, 2 * hours, 0), strict=True):
        os.utime(path, (time.time() - age,) * 2)
    kept(runtime)._room = sum(path.stat().st_size for path in files) - 1
    kept(runtime)._tidy()
    assert [path.exists() for path in files] == [False, True, True]
    kept(runtime)._room = 0
    kept(runtime)._tidy()
    assert [path.exists() for path in files] == [False, False, True]
    assert numbers(runtime) == list(range(30))
    kept(runtime)._room = 10**9
    os.utime(files[0], (time.time() - 25 * hours,) * 2)
    kept(runtime)._tidy()
    assert [path.exists() for path in files] == [False, True, True]


def test_the_list_of_erasures_is_in_the_bucket_too(runtime: Runtime) -> None:
    entry = Entry("shop", "u-1", 1_700_000_000_000_000)
    for _ in range(2):
        remember(runtime.settings, kept(runtime), entry)
    path_of(runtime.settings).unlink()
    assert list(read_all(runtime.settings, kept(runtime))) == [entry]
