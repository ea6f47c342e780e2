"""The job kinds `field` and `train` on a real database: learned once, resumable, and files that cannot be torn."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.accounts.projects import get_project
from quadra.backup.recover.restore import restore
from quadra.backup.stores.stores import Stores
from quadra.backup.take import take as backup
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.field import artifact, learning, training, versions
from quadra.field.artifact import BadArtifact
from quadra.field.cells import Field
from quadra.field.features import count
from quadra.field.handlers import HANDLERS
from quadra.field.tables import FieldReading, FieldState, FieldVersion, TrainingRun
from quadra.ingest.accept import Row
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.jobs.claim import claim
from quadra.jobs.handlers import batch_kinds
from quadra.jobs.lease import Lease
from quadra.jobs.queue import enqueue_for_batches
from quadra.jobs.run import Ended, Run
from quadra.warehouse.segments.sealed import SealedRows
from tests.field.traffic import batch
from tests.insights.conftest import opened

_numbers = iter(range(10**9))


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}", data_dir=tmp_path) as runtime:
        yield runtime
        runtime.close()


@pytest.fixture
def any_runtime(any_database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    with opened(any_database_url, data_dir=tmp_path) as runtime:
        yield runtime
        runtime.close()


def fill(runtime: Runtime, source: random.Random, *, size: int = 50, shifted: bool = False) -> str:
    """Store a sealed batch with its job; its id."""
    now = clock.now_us()
    rows = [
        Row(
            project_id=1,
            event_id=f"e{next(_numbers)}",
            kind="event",
            name=sight.name,
            event_type=sight.name,
            page_url=sight.page_url,
            session_id=sight.who,
            occurred_at=sight.occurred_us + now - 86_400_000_000,
            received_at=now,
        )
        for sight in batch(source, 0.0, size=size, shifted=shifted)
    ]
    log = Log(runtime.database, writer="test", batch_max_events=size, job_kinds=batch_kinds(HANDLERS))
    return log.append(rows).sealed[0]


def take(runtime: Runtime, kind: str) -> Run | None:
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=[kind], limit=1, length=runtime.settings.job_lease)
    return Run(jobs[0], HANDLERS[kind], runtime.settings.job_lease) if jobs else None


def do(runtime: Runtime, kind: str) -> Ended | None:
    run = take(runtime, kind)
    return run.work(runtime, runtime.settings.job_backoff) if run else None


def ask(runtime: Runtime, **options: int) -> str:
    with runtime.database.begin() as session:
        return training.start(session, runtime.settings, get_project(session, "shop"), **options).id  # type: ignore[arg-type]


def stored(runtime: Runtime, training_id: str) -> TrainingRun:
    with runtime.database.read() as session:
        return session.get_one(TrainingRun, training_id)


def the_versions(runtime: Runtime) -> list[FieldVersion]:
    with runtime.database.read() as session:
        return list(versions.list_versions(session, 1))


def train(runtime: Runtime, **options: int) -> FieldVersion:
    training_id = ask(runtime, **options)
    assert do(runtime, "train") is not None
    run = stored(runtime, training_id)
    assert run.status == "completed", run.message
    return the_versions(runtime)[0]


def test_each_batch_is_read_and_learned_once(any_runtime: Runtime) -> None:
    source = random.Random(1)
    batches = [fill(any_runtime, source) for _ in range(3)]
    while do(any_runtime, "field") is not None:
        pass
    with any_runtime.database.read() as session:
        readings = session.scalars(sa.select(FieldReading).order_by(FieldReading.batch_id)).all()
        state = session.get_one(FieldState, 1)
    assert [one.batch_id for one in readings] == sorted(batches)
    assert state.iterations == 3
    assert readings[0].loss == 0.0  # there was nothing to compare it with
    assert readings[1].loss > 0.0
    assert readings[1].moved


def test_a_batch_is_counted_by_column_as_row_by_row(any_runtime: Runtime) -> None:
    source = random.Random(2)
    now = clock.now_us()
    rows = [
        Row(
            project_id=1,
            event_id=f"e{number}",
            kind="event",
            name=source.choice(["view", "click"]),
            event_type="click",
            page_url=source.choice([None, "", "https://a/b?c"]),
            session_id=source.choice([None, "", "s1", "s2"]),
            user_id=source.choice([None, "u1"]),
            occurred_at=now - source.randrange(40) * 700_000,  # several at one moment
            received_at=now,
        )
        for number in source.sample(range(100, 400), 200)
    ]
    batch_id = Log(any_runtime.database, writer="test", batch_max_events=200).append(rows).sealed[0]
    with any_runtime.database.snapshot() as session:
        (by_row,) = [count(sights) for _, sights in learning.read_batches(session, [batch_id])]
        one = session.get_one(Batch, batch_id)
        by_column = learning._count(session, any_runtime.the(SealedRows), [one])[batch_id]
    assert by_column == by_row
    assert [list(by_column[family]) for family in by_row] == [list(labels) for labels in by_row.values()]


def test_another_job_for_a_batch_that_was_learned_does_nothing(any_runtime: Runtime) -> None:
    """A job that succeeded may be asked for again, and may have been pruned before."""
    batch_id = fill(any_runtime, random.Random(1))
    do(any_runtime, "field")
    for _ in range(2):
        with any_runtime.database.begin() as session:
            kinds = batch_kinds(HANDLERS)
            enqueue_for_batches(session.connection(), [(batch_id, 1)], kinds=kinds, max_attempts=1)
        ended = do(any_runtime, "field")
        assert ended is not None
        assert ended.state == "SUCCESS"
    with any_runtime.database.read() as session:
        assert session.get_one(FieldState, 1).iterations == 1


def test_two_workers_lose_no_batch(any_runtime: Runtime) -> None:
    source = random.Random(2)
    for _ in range(8):
        fill(any_runtime, source, size=20)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while do(any_runtime, "field") is not None:
                pass
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_runtime.database.read() as session:
        assert not failed
        assert session.get_one(FieldState, 1).iterations == 8
        assert session.scalar(sa.select(sa.func.count()).select_from(FieldReading)) == 8


def test_a_batch_is_learned_again_where_another_was_learned_meanwhile(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random.Random(3)
    for _ in range(2):
        fill(runtime, source, size=20)
    learn = learning._learn

    def meanwhile(*asked: Any) -> learning.Learned:
        monkeypatch.setattr(learning, "_learn", learn)
        learned = learn(*asked)
        other = do(runtime, "field")
        assert other is not None
        assert other.state == "SUCCESS"
        return learned

    monkeypatch.setattr(learning, "_learn", meanwhile)
    do(runtime, "field")
    with runtime.database.read() as session:
        assert session.get_one(FieldState, 1).iterations == 2


def test_a_training_makes_a_version_with_files_and_history(runtime: Runtime) -> None:
    source = random.Random(3)
    for _ in range(10):
        fill(runtime, source)
    version = train(runtime, cells=64)
    assert (version.version, version.active, version.cells, version.events) == (1, True, 64, 500)
    directory = versions.directory_of(runtime.settings)
    assert sorted(path.suffix for path in directory.iterdir()) == [".json", ".npz"]
    run = stored(runtime, version.training_id)
    assert len(run.history) >= 8
    assert set(run.history[0]) == {"iteration", "loss", "reward", "field_variance"}
    assert run.checkpoint is None
    with runtime.database.read() as session:
        assert session.get_one(FieldState, 1).version == 1


def test_the_same_seed_and_history_make_the_same_bytes(runtime: Runtime) -> None:
    source = random.Random(4)
    for _ in range(6):
        fill(runtime, source)
    first, again, other = train(runtime), train(runtime), train(runtime, seed=2)
    assert first.sha256 == again.sha256 != other.sha256


def test_a_training_goes_on_where_a_dead_worker_left_it(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(5)
    for _ in range(8):
        fill(runtime, source)
    whole = train(runtime)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    training_id = ask(runtime)

    class Died(BaseException):
        """What ends a process ends in no handler."""

    learned: list[int] = []
    counted = training.count

    def dies(piece: object) -> object:
        learned.append(1)
        if len(learned) == 5:
            raise Died
        return counted(piece)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "count", dies)
    lost = take(runtime, "train")
    assert lost is not None
    with pytest.raises(Died):
        HANDLERS["train"].work(runtime, lost.lease)
    assert stored(runtime, training_id).iteration == 4
    learned.clear()
    monkeypatch.setattr(training, "count", lambda piece: learned.append(1) or counted(piece))
    HANDLERS["train"].work(runtime, lost.lease)
    assert len(learned) == whole.iterations - 4
    assert the_versions(runtime)[0].sha256 == whole.sha256


def test_one_training_at_a_time(runtime: Runtime) -> None:
    ask(runtime)
    with pytest.raises(Conflict, match="unfinished"):
        ask(runtime)


def test_a_training_without_events_fails_and_says_so(runtime: Runtime) -> None:
    training_id = ask(runtime)
    do(runtime, "train")
    run = stored(runtime, training_id)
    assert (run.status, run.version) == ("failed", None)
    assert "no events" in run.message
    assert ask(runtime)  # the next may begin


def test_a_tampered_artifact_is_refused_by_name_and_an_earlier_one_answers(runtime: Runtime) -> None:
    source = random.Random(6)
    for _ in range(4):
        fill(runtime, source)
    first, second = train(runtime), train(runtime, seed=9)
    with runtime.database.begin() as session:
        versions.promote(session, runtime.settings, 1, 2)
    directory = versions.directory_of(runtime.settings)
    path = directory / f"{second.stem}.npz"
    path.write_bytes((directory / f"{first.stem}.npz").read_bytes())  # sound arrays, only not those of this version
    with runtime.database.begin() as session, pytest.raises(BadArtifact, match=second.stem):
        versions.promote(session, runtime.settings, 1, 2)
    with runtime.database.read() as session:
        sound, wrong = versions.read_sound(session, runtime.settings, 1)
    assert sound is not None
    assert sound.version == 1
    assert path.name in wrong


def test_a_backup_of_models_brings_a_version_back(runtime: Runtime) -> None:
    fill(runtime, random.Random(4))
    version = train(runtime)
    made = backup(runtime.settings, "models")
    for path in versions.directory_of(runtime.settings).iterdir():
        path.unlink()
    with runtime.database.read() as session:
        found, wrong = versions.read_sound(session, runtime.settings, version.project_id)
        assert (found, version.stem in wrong) == (None, True)
    restore(runtime, Stores(runtime.settings).find(made.id), yes=True, say=lambda _: None)
    with runtime.database.read() as session:
        found, wrong = versions.read_sound(session, runtime.settings, version.project_id)
        assert found is not None
        assert (found.version, wrong) == (version.version, "")


def test_old_versions_go_and_the_active_one_stays(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "KEEP", 2)
    fill(runtime, random.Random(7))
    for _ in range(4):
        train(runtime)
    assert [(row.version, row.active) for row in the_versions(runtime)] == [(4, False), (3, False), (1, True)]
    assert len(list(versions.directory_of(runtime.settings).iterdir())) == 6


def test_of_all_versions_one_is_active_and_the_state_goes_on_from_it(runtime: Runtime) -> None:
    fill(runtime, random.Random(7))
    for _ in range(3):
        train(runtime)
    for wanted in (3, 2):
        with runtime.database.begin() as session:
            versions.promote(session, runtime.settings, 1, wanted)
        assert [row.version for row in the_versions(runtime) if row.active] == [wanted]
        with runtime.database.read() as session:
            assert session.get_one(FieldState, 1).version == wanted


def test_drift_is_nothing_after_promoting_and_grows_with_other_traffic(runtime: Runtime) -> None:
    source = random.Random(8)
    for _ in range(12):
        fill(runtime, source)
    train(runtime)
    while do(runtime, "field") is not None:  # the batches of before, learned again on top of the version
        pass
    with runtime.database.read() as session:
        before = session.get_one(FieldState, 1).drift
    shifted = random.Random(9)
    for _ in range(12):
        fill(runtime, shifted, shifted=True)
        do(runtime, "field")
    with runtime.database.read() as session:
        state = session.get_one(FieldState, 1)
    assert before is not None
    assert state.drift is not None
    assert state.drift > before
    assert state.drift_cells


def test_a_manifest_that_was_changed_is_refused_by_name(tmp_path: Path, runtime: Runtime) -> None:
    fill(runtime, random.Random(10))
    row = train(runtime)
    directory = versions.directory_of(runtime.settings)
    path = directory / f"{row.stem}.json"
    path.write_text(path.read_text().replace(row.sha256, "0" * 64))
    with pytest.raises(BadArtifact, match=path.name):
        artifact.read(directory, row.stem, row.sha256)


def test_a_field_that_is_kept_between_batches_learns_as_one_that_is_unpacked(runtime: Runtime) -> None:
    source = random.Random(1)
    counted = [count(batch(source, number * 1_000.0)) for number in range(30)]
    packed = {way: artifact.pack(Field(256, 1, 0.98)) for way in ("kept", "unpacked")}
    kept = learning.Unpacked(runtime)
    for number, one in enumerate(counted):
        made = [(Batch(id=str(number)), one)]
        learned = learning._learn(kept, packed["kept"], 1, (), made)
        kept.keep(learned.data, learned.field)
        packed = {
            "kept": learned.data,
            "unpacked": learning._learn(learning.Unpacked(runtime), packed["unpacked"], 1, (), made).data,
        }
        assert kept.take(packed["unpacked"]) is learned.field
        kept.keep(learned.data, learned.field)


def test_batches_learned_together_are_learned_as_one_by_one(any_database_url: str, tmp_path: Path) -> None:
    kept = []
    for url, together in ((any_database_url, True), (f"sqlite:///{tmp_path / 'other.db'}", False)):
        with opened(url) as runtime:
            source = random.Random(11)
            for number in range(12):
                fill(runtime, source, shifted=number > 8)
            if together:
                with runtime.database.begin() as session:
                    jobs = claim(session, worker="w", kinds=["field"], limit=12, length=runtime.settings.job_lease)
                work = HANDLERS["field"].together
                assert work is not None
                work(runtime, [Lease(job, runtime.settings.job_lease) for job in jobs])
            while do(runtime, "field") is not None:
                pass
            with runtime.database.read() as session:
                readings = session.scalars(sa.select(FieldReading).order_by(FieldReading.batch_id)).all()
                kept.append((session.get_one(FieldState, 1).data, [(one.loss, one.novelty_z) for one in readings]))
    assert len(kept[0][1]) == 12
    assert kept[0] == kept[1]
