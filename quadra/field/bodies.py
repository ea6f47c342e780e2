"""What is told of trainings and versions, over HTTP and at a terminal alike."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.api.params import says
from quadra.field.tables import FieldVersion, TrainingRun
from quadra.jobs.tables import Job


class DriftCell(Struct, kw_only=True):
    cell: int
    family: str
    label: str
    share: float
    usual: float


class MovedCell(DriftCell, kw_only=True):
    z: float


class TrainingPoint(Struct, kw_only=True):
    iteration: int
    loss: float
    reward: float
    field_variance: float


class TrainingMetrics(Struct, kw_only=True):
    history: list[TrainingPoint]


class Training(Struct, kw_only=True):
    training_id: str
    project: str
    status: Literal["started", "running", "completed", "failed"]
    message: str
    iteration: int
    loss: float | None
    reward: float | None
    field_variance: float | None
    elapsed_time: Annotated[float, says("Seconds since it was asked for, or until it ended.")]
    version: int | None
    metrics: TrainingMetrics


class TrainingWindow(Struct, kw_only=True, rename={"from_": "from"}):
    from_: Time
    to: Time


class ModelVersion(Struct, kw_only=True):
    version: int
    training_id: str
    created_at: Time
    active: bool
    cells: int
    seed: int
    decay: float
    iterations: int
    events: int
    window: TrainingWindow
    code_version: str
    sha256: str
    loss: float


class ModelVersions(Struct, kw_only=True):
    versions: list[ModelVersion]


def latest(session: Session, project_id: int) -> TrainingRun | None:
    mine = TrainingRun.project_id == project_id
    return session.scalar(sa.select(TrainingRun).where(mine).order_by(TrainingRun.started_at.desc()).limit(1))


def training_body(session: Session, run: TrainingRun, slug: str) -> Training:
    status, message = run.status, run.message
    if run.finished_at is None:
        job = session.get(Job, run.job_id)
        if job is None or job.state == "FAILED":  # a dead letter: nothing goes on by itself
            status, message = "failed", (job.last_error if job is not None else None) or "Its job is gone."
    until = run.finished_at or clock.now()
    return Training(
        training_id=run.id,
        project=slug,
        status=status,  # type: ignore[arg-type]
        message=message,
        iteration=run.iteration,
        loss=run.loss,
        reward=None if run.loss is None else 1 / (1 + run.loss),
        field_variance=run.variance,
        elapsed_time=round(max(0.0, (until - run.started_at).total_seconds()), 3),
        version=run.version,
        metrics=TrainingMetrics(history=[TrainingPoint(**point) for point in run.history]),
    )


def version_body(row: FieldVersion) -> ModelVersion:
    return ModelVersion(
        version=row.version,
        training_id=row.training_id,
        created_at=clock.iso(row.created_at),
        active=row.active,
        cells=row.cells,
        seed=row.seed,
        decay=row.decay,
        iterations=row.iterations,
        events=row.events,
        window=TrainingWindow(from_=clock.iso(row.window_from), to=clock.iso(row.window_to)),
        code_version=row.code_version,
        sha256=row.sha256,
        loss=row.loss,
    )
