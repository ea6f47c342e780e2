"""An erased person is named by no label of the field any more, neither in rows nor in the files of versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quadra.accounts.projects import get_project
from quadra.core.runtime import Runtime
from quadra.field import artifact, training, versions
from quadra.field.tables import FieldReading, FieldState, FieldVersion
from quadra.job_kinds import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.run import Run
from tests.warehouse.conftest import erase, event, installation, store


def work(runtime: Runtime, kind: str) -> None:
    with runtime.database.begin() as session:
        jobs = claim(session, worker="test", kinds=[kind], limit=1, length=runtime.settings.job_lease)
    for job in jobs:
        Run(job, HANDLERS[kind], runtime.settings.job_lease).work(runtime, runtime.settings.job_backoff)


def labels(runtime: Runtime) -> str:
    """Everything that the field keeps as text."""
    with runtime.database.read() as session:
        state = session.get_one(FieldState, 1)
        found: list[Any] = [artifact.unpack(state.data, "state").labels, state.drift_cells]
        found += [reading.moved for reading in session.query(FieldReading)]
        for row in session.query(FieldVersion):
            found.append(artifact.read(versions.directory_of(runtime.settings), row.stem, row.sha256).labels)
    return json.dumps(found)


def test_no_label_names_an_erased_person(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        store(runtime, [event(3, page_url="/profile/u-3"), event(4, name="tap", page_url="/profile/u-4")])
        with runtime.database.begin() as session:
            training.start(session, runtime.settings, get_project(session, "shop"))
            moved = [{"cell": 1, "label": "click on /profile/u-3"}]
            numbers = {"loss": 0.0, "reward": 1.0, "variance": 0.0, "novelty_z": 0.0, "anomalous": False}
            session.add(FieldReading(batch_id="b", project_id=1, events=1, version=0, moved=moved, **numbers))
        work(runtime, training.TRAIN)
        before = labels(runtime)
        assert "/profile/u-3" in before
        erase(runtime, "u-3")
        after = labels(runtime)
        assert "u-3" not in after
        assert "/profile/u-4" in after
        directory = versions.directory_of(runtime.settings)
        assert sorted(path.suffix for path in directory.iterdir()) == [".json", ".npz"]  # the old files are gone
