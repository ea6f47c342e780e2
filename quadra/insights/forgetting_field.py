"""Erase a person from what the field keeps: labels of cells that name them, in its state, its readings and its versions.

A cell without its label is called by its number. A version whose labels named somebody gets new files and a new hash; its
arrays stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core.runtime import Runtime
from quadra.field import artifact, versions
from quadra.field.artifact import BadArtifact
from quadra.field.cells import Field
from quadra.field.tables import FieldReading, FieldState, FieldVersion, TrainingRun
from quadra.insights.forgetting import named, without
from quadra.jobs.lease import Lease

AT_ONCE = 500


def forget_in_field(runtime: Runtime, lease: Lease, project_id: int, ids: Sequence[str]) -> None:
    names = named(ids)
    with runtime.database.begin() as session:
        lease.hold(session)
        _in_state(session, project_id, names)
        _in_trainings(session, project_id, names)
    old = _in_versions(runtime, lease, project_id, names)
    for stem in old:
        artifact.remove(versions.directory_of(runtime.settings), stem)
    after = ""
    while not lease.lost.is_set() and (after := _in_readings(runtime, lease, project_id, names, after)):
        pass


def _without(field: Field, names: re.Pattern[str]) -> bool:
    """Take such labels out; whether there were any."""
    gone = [cell for cell, label in field.labels.items() if names.search(label)]
    for cell in gone:
        del field.labels[cell]
    return bool(gone)


def _in_state(session: Session, project_id: int, names: re.Pattern[str]) -> None:
    state = session.get(FieldState, project_id, with_for_update=True)
    if state is None:
        return
    field = artifact.unpack(state.data, f"the field of project {project_id}")
    if _without(field, names):
        state.data = artifact.pack(field)
    state.drift_cells = without(state.drift_cells, names)


def _in_trainings(session: Session, project_id: int, names: re.Pattern[str]) -> None:
    """The checkpoints of those that run."""
    mine = sa.select(TrainingRun).where(TrainingRun.project_id == project_id, TrainingRun.checkpoint.is_not(None))
    for run in session.scalars(mine.with_for_update()):
        field = artifact.unpack(run.checkpoint or "", f"the checkpoint of training {run.id}")
        if _without(field, names):
            run.checkpoint = artifact.pack(field)


def _in_versions(runtime: Runtime, lease: Lease, project_id: int, names: re.Pattern[str]) -> list[str]:
    """The new files first, then the rows that name them. Gives the names of the old ones, which nothing names any more."""
    directory, old = versions.directory_of(runtime.settings), []
    with runtime.database.begin() as session:
        lease.hold(session)
        for row in session.scalars(sa.select(FieldVersion).where(FieldVersion.project_id == project_id)):
            try:
                field = artifact.read(directory, row.stem, row.sha256)
            except BadArtifact:
                continue  # nobody can use it, and it may be away for now only
            if not _without(field, names):
                continue
            data = artifact.encode(field)
            manifest = artifact.MANIFEST.decode((directory / f"{row.stem}.json").read_bytes())
            stem = f"{row.stem.partition('-e')[0]}-e{lease.job.token[-8:]}"
            sha256 = artifact.digest(data)
            artifact.write(directory, stem, data, msgspec.structs.replace(manifest, file=f"{stem}.npz", sha256=sha256))
            old.append(row.stem)
            row.stem, row.sha256 = stem, sha256
    return old


def _in_readings(runtime: Runtime, lease: Lease, project_id: int, names: re.Pattern[str], after: str) -> str:
    """Go through the next readings; the id of the last one, "" where there are no more."""
    mine = sa.select(FieldReading).where(FieldReading.project_id == project_id, FieldReading.batch_id > after)
    with runtime.database.begin() as session:
        lease.hold(session)
        found: list[Any] = list(session.scalars(mine.order_by(FieldReading.batch_id).limit(AT_ONCE)))
        for row in found:
            if names.search(json.dumps(row.moved, ensure_ascii=False)):
                row.moved = without(row.moved, names)
        return found[-1].batch_id if found else ""
