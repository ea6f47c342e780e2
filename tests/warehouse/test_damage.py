"""A file of the history that is not what it was: no question is answered from it, it is named, and it comes back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from quadra.core.runtime import Runtime
from quadra.health.checks.segments import segments as check
from quadra.health.context import CheckContext
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.segments import catalogue, soundness
from quadra.warehouse.segments.soundness import SegmentDamaged
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually
from tests.warehouse.conftest import compact_all, event, installation, numbers, store
from tests.warehouse.test_doors import call, send


def listed(runtime: Runtime) -> list[catalogue.Listed]:
    with runtime.database.read() as session:
        return catalogue.live(session, 1)


@pytest.fixture
def paths(sqlite_runtime: Runtime) -> list[Path]:
    """Two segments of 10 events each, and who is who in them has been asked."""
    store(sqlite_runtime, [event(number, days_ago=number % 2) for number in range(20)])
    compact_all(sqlite_runtime)
    return [warehouse_of(sqlite_runtime).store.local(one.path) for one in listed(sqlite_runtime)]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_in_silence(path: Path) -> None:
    """As a disk does it: neither size nor time tell."""
    facts = path.stat()
    flip(path)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


WAYS: dict[str, Callable[[Path], object]] = {
    "is damaged: its sha256": flip,
    "bytes, should have": lambda path: os.truncate(path, path.stat().st_size - 1),
    "is missing": lambda path: path.unlink(),
    "cannot be read": lambda path: (path.unlink(), path.mkdir(), os.utime(path)),
}


@pytest.mark.parametrize("said", WAYS)
@pytest.mark.parametrize("asked_before", [True, False], ids=["asked before", "not asked before"])
def test_no_question_is_answered_from_a_file_that_is_not_sound(
    said: str, asked_before: bool, sqlite_runtime: Runtime, paths: list[Path], tmp_path: Path
) -> None:
    if asked_before:
        assert numbers(sqlite_runtime) == list(range(20))
    shutil.copy2(paths[0], tmp_path / "kept")
    WAYS[said](paths[0])
    for sql in ("SELECT count(*) FROM events", "SELECT count(DISTINCT person) FROM events"):
        with pytest.raises(SegmentDamaged) as refused:
            query(sqlite_runtime, 1, sql)
        assert (refused.value.status, refused.value.code) == (503, "segment_damaged")
        assert listed(sqlite_runtime)[0].path in refused.value.message
        assert "quadra recover" in refused.value.message
    if said != "cannot be read":
        assert said in refused.value.message
    found = check(CheckContext(sqlite_runtime, "command"))
    assert (found.status, found.details["damaged"]) == ("unhealthy", [listed(sqlite_runtime)[0].path])
    if paths[0].is_dir():
        paths[0].rmdir()
    shutil.copy2(tmp_path / "kept", paths[0])
    assert numbers(sqlite_runtime) == list(range(20))
    assert check(CheckContext(sqlite_runtime, "command")).status == "healthy"


def test_what_lies_outside_of_the_damaged_file_is_answered(sqlite_runtime: Runtime, paths: list[Path]) -> None:
    flip(paths[0])
    damaged, other = listed(sqlite_runtime)
    first, last = sorted((damaged, other), key=lambda one: one.min_occurred_us)
    sound = {"end_us": last.min_occurred_us} if damaged is last else {"start_us": first.max_occurred_us + 1}
    assert len(numbers(sqlite_runtime, **sound)) == 10


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read for their hash."""
    found: list[Path] = []
    real = soundness.sha256_of
    monkeypatch.setattr(soundness, "sha256_of", lambda path: (found.append(path), real(path))[1])
    return found


def test_a_file_is_compared_once_and_again_when_it_changes(
    sqlite_runtime: Runtime, paths: list[Path], compared: list[Path]
) -> None:
    for _ in range(3):
        numbers(sqlite_runtime)
    assert sorted(compared) == sorted(paths)
    os.utime(paths[1])
    shutil.copy2(paths[0], paths[0].with_suffix(".copy"))
    paths[0].with_suffix(".copy").rename(paths[0])
    numbers(sqlite_runtime)
    assert sorted(compared[2:]) == sorted(paths)
    numbers(sqlite_runtime)
    assert len(compared) == 4


def test_an_error_of_reading_has_the_files_compared_again_once_in_a_while(
    sqlite_runtime: Runtime, paths: list[Path], compared: list[Path]
) -> None:
    numbers(sqlite_runtime)
    change_in_silence(paths[0])
    warehouse = warehouse_of(sqlite_runtime)
    with pytest.raises(SegmentDamaged):
        warehouse.soundness.require_again(listed(sqlite_runtime))
    count = len(compared)
    warehouse.soundness.require_again(listed(sqlite_runtime))
    assert len(compared) == count


def test_a_question_that_cannot_read_a_file_says_which_one_is_damaged(
    sqlite_runtime: Runtime, paths: list[Path]
) -> None:
    numbers(sqlite_runtime)  # compared: nobody looks again while size and time are the same
    facts = paths[0].stat()
    with paths[0].open("r+b") as file:
        file.seek(4)
        file.write(b"\0" * (facts.st_size * 2 // 3))
    os.utime(paths[0], ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(SegmentDamaged) as refused:
        query(sqlite_runtime, 1, "SELECT * FROM events")
    assert refused.value.path == paths[0].relative_to(warehouse_of(sqlite_runtime).store.root).as_posix()


def test_the_check_compares_for_its_time_and_goes_on_the_next_one(
    sqlite_runtime: Runtime, paths: list[Path], compared: list[Path]
) -> None:
    found = warehouse_of(sqlite_runtime).soundness
    assert found.look(listed(sqlite_runtime), seconds=-1) == ([], 2)
    paths[0].unlink()  # what is not there is told without comparing
    damaged, waiting = found.look(listed(sqlite_runtime), seconds=-1)
    assert ([one.path for one in damaged], waiting) == ([listed(sqlite_runtime)[0].path], 1)
    assert compared == []
    assert found.look(listed(sqlite_runtime), seconds=60)[1] == 0


def test_a_question_that_is_out_of_time_while_files_are_compared_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    with installation(url, tmp_path) as runtime:
        store(runtime, [event(number, days_ago=number % 4) for number in range(20)])
        compact_all(runtime)
    with installation(url, tmp_path, query_timeout="4s") as runtime:
        real, looked = soundness.sha256_of, []

        def slow(path: Path) -> str:
            looked.append(path)
            soundness.time.sleep(4.2)  # longer than the question may take, which has whole seconds to come here
            return real(path)

        monkeypatch.setattr(soundness, "sha256_of", slow)
        with pytest.raises(Exception, match="longer than 4 s"):
            numbers(runtime)
        assert len(looked) == soundness.AT_ONCE
        monkeypatch.undo()


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_HEALTH_INTERVAL": "1s", "QUADRA_BATCH_MAX_EVENTS": "10"})) as process:
        yield process


def test_recover_brings_it_back_under_a_running_server(quadra: QuadraProcess) -> None:
    """Damaged, said at every door, and mended from a backup; nothing is restarted."""
    send(quadra, 20, "ann")
    quadra.run("warehouse", "compact", "--json")
    assert count(quadra) == (200, 20)
    quadra.run("backup", "take", "--kind", "database", "--json")
    (path,) = (quadra.directory / "data" / "segments").rglob("*.parquet")
    whole = path.read_bytes()
    for way in (flip, Path.unlink):
        way(path)
        status, answer = call(quadra, "GET", QUESTION, quadra.init["admin_key"])
        assert (status, answer["error"]["code"]) == (503, "segment_damaged")
        assert path.name in answer["error"]["message"]
        eventually(lambda: told(quadra)["status"] == "unhealthy", describe=lambda: str(told(quadra)))
        assert path.name in told(quadra)["message"]
        done = json.loads(quadra.run("recover", "--no-start", "--json").stdout)
        assert any(path.name in step["message"] or "fetched" in step["message"] for step in done["steps"])
        assert path.read_bytes() == whole
        assert count(quadra) == (200, 20)


QUESTION = "/api/analytics/trends?event=click&interval=day"


def count(quadra: QuadraProcess) -> tuple[int, int]:
    status, answer = call(quadra, "GET", QUESTION, quadra.init["admin_key"])
    return status, sum(point["value"] for series in answer["series"] for point in series["points"])


def told(quadra: QuadraProcess) -> dict[str, Any]:
    found = call(quadra, "GET", "/health/detailed", quadra.init["admin_key"])[1]["checks"]["segments"]
    return dict(found)
