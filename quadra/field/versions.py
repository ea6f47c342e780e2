"""The trained versions of a project's field: which answers, which may go, and how far the live field has come from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from msgspec import to_builtins
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import NotFound
from quadra.core.settings import Settings
from quadra.field import artifact
from quadra.field.artifact import BadArtifact
from quadra.field.bodies import DriftCell
from quadra.field.cells import MOVED, Field, divergence
from quadra.field.features import FAMILIES
from quadra.field.tables import FieldState, FieldVersion

KEEP = 10
"""Versions of a project that stay; the active one stays whatever its age."""
DRIFT_THRESHOLD = 0.2
STABLE = tuple(name for name in FAMILIES if name != "hour")
"""What drift is reckoned of: the live field remembers some dozens of batches, which are never a whole week."""


def directory_of(settings: Settings) -> Path:
    """Where backups look for models."""
    return settings.data_dir / "models"


def list_versions(session: Session, project_id: int) -> Sequence[FieldVersion]:
    """The newest first."""
    mine = FieldVersion.project_id == project_id
    return session.scalars(sa.select(FieldVersion).where(mine).order_by(FieldVersion.version.desc())).all()


def next_version(session: Session, project_id: int) -> int:
    newest = session.scalar(sa.select(sa.func.max(FieldVersion.version)).where(FieldVersion.project_id == project_id))
    return (newest or 0) + 1


@dataclass(frozen=True, slots=True)
class Sound:
    """A version whose files are as they were written."""

    version: int
    field: Field


def read_sound(session: Session, settings: Settings, project_id: int) -> tuple[Sound | None, str]:
    """(the active version, or where its files are damaged the newest sound one; what is wrong with the active one)"""
    wrong = ""
    found = list_versions(session, project_id)
    for row in sorted(found, key=lambda row: (not row.active, -row.version)):
        try:
            return Sound(row.version, artifact.read(directory_of(settings), row.stem, row.sha256)), wrong
        except BadArtifact as error:
            wrong = wrong or error.message
    return None, wrong


def promote(session: Session, settings: Settings, project_id: int, version: int) -> FieldVersion:
    """Make a version the active one; the live field goes on from it.

    Raises `NotFound`, and `BadArtifact` naming the file that is not what was written.
    """
    mine = FieldVersion.project_id == project_id
    row = session.scalar(sa.select(FieldVersion).where(mine, FieldVersion.version == version))
    if row is None:
        raise NotFound(f"There is no version {version}; quadra field versions lists them.")
    field = artifact.read(directory_of(settings), row.stem, row.sha256)
    activate(session, row, field)
    return row


def activate(session: Session, row: FieldVersion, field: Field) -> None:
    others = sa.update(FieldVersion).where(FieldVersion.project_id == row.project_id, FieldVersion.id != row.id)
    session.execute(others.values(active=False))
    row.active = True
    state = session.get(FieldState, row.project_id, with_for_update=True)
    if state is None:
        state = FieldState(project_id=row.project_id)
        session.add(state)
    state.data, state.version, state.iterations = artifact.pack(field), row.version, field.iterations
    state.loss, state.variance = row.loss, field.instability
    state.drift, state.drift_since, state.drift_cells = 0.0, None, []
    state.updated_at = clock.now()
    session.flush()


def surplus(session: Session, project_id: int) -> list[FieldVersion]:
    """Versions that may go."""
    return [row for row in list_versions(session, project_id)[KEEP:] if not row.active]


def note_drift(session: Session, settings: Settings, state: FieldState, field: Field) -> None:
    """How far the live field has come from the version it goes on from. A damaged one says nothing."""
    if not state.version:
        return
    row = session.scalar(
        sa.select(FieldVersion).where(
            FieldVersion.project_id == state.project_id, FieldVersion.version == state.version
        )
    )
    if row is None:
        return
    try:
        base = _base(directory_of(settings), row.stem, row.sha256)
    except BadArtifact:
        state.drift, state.drift_cells = None, []  # health names the file
        return
    if base.cells != field.cells:
        return
    drift, cells = drifted(base, field)
    state.drift, state.drift_cells = drift, to_builtins(cells)
    state.drift_since = _since(state.drift_since, drift)


def drifted(base: Field, field: Field) -> tuple[float, list[DriftCell]]:
    """(0 not at all … 1 nothing in common, the cells that changed most)"""
    total, weights = 0.0, 0.0
    changes: list[tuple[float, int, str]] = []
    for family in STABLE:
        part = field.slices[family]
        if not (base.seen[family] and field.seen[family]):
            continue
        total += FAMILIES[family] * divergence(field.mean[part], base.mean[part])
        weights += FAMILIES[family]
        for place, off in enumerate(abs(field.mean[part] - base.mean[part]) * FAMILIES[family]):
            if off > 0:
                changes.append((float(off), part.start + place, family))
    changes.sort(key=lambda one: (-one[0], one[1]))
    cells = [
        DriftCell(
            cell=cell,
            family=family,
            label=field.labels.get(cell) or base.labels.get(cell, f"cell {cell}"),
            share=round(float(field.mean[cell]), 6),
            usual=round(float(base.mean[cell]), 6),
        )
        for _, cell, family in changes[:MOVED]
    ]
    return (min(1.0, max(0.0, total / weights)) if weights else 0.0), cells


def _since(since: datetime | None, drift: float) -> datetime | None:
    if drift < DRIFT_THRESHOLD:
        return None
    return since or clock.now()


@lru_cache(maxsize=16)
def _base(directory: Path, stem: str, sha256: str) -> Field:
    """It is only read. The hash is in the key, so a version is compared with its file once in a process."""
    return artifact.read(directory, stem, sha256)
