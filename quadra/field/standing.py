"""How the models of an installation are, for health: whether something was learned, and whether the files are as written."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.projects import DEFAULT
from quadra.accounts.tables import Project
from quadra.core.settings import Settings
from quadra.field.artifact import BadArtifact, check
from quadra.field.tables import FieldState, FieldVersion
from quadra.field.versions import directory_of


class FieldModel(Struct, kw_only=True):
    initialized: bool
    """Whether any project's field has learned something."""
    iterations: int
    """Of all projects together."""
    version: str | None
    """The active one of the project `default`, else of the project whose version is the newest."""
    artifact_ok: bool | None
    """Whether the files of every active version are what was written; null where there is none."""


NO_MODEL = FieldModel(initialized=False, iterations=0, version=None, artifact_ok=None)


def standing(session: Session, settings: Settings) -> FieldModel:
    iterations = session.scalar(sa.select(sa.func.sum(FieldState.iterations)))
    active = session.execute(
        sa.select(FieldVersion, Project.slug)
        .join(Project, Project.id == FieldVersion.project_id)
        .where(FieldVersion.active)
        .order_by(FieldVersion.created_at.desc())
    ).all()
    shown = sorted(active, key=lambda row: row[1] != DEFAULT)
    return FieldModel(
        initialized=iterations is not None,
        iterations=int(iterations or 0),
        version=str(shown[0][0].version) if shown else None,
        artifact_ok=all(_is_sound(settings, row) for row, _ in active) if active else None,
    )


def _is_sound(settings: Settings, row: FieldVersion) -> bool:
    try:
        check(directory_of(settings), row.stem, row.sha256)
    except BadArtifact:
        return False
    return True
