"""The job kind `train`: learn a field from stored history, and keep it as a version.

The history is cut into pieces in the order in which events occurred, each scored and then learned as a batch is. Every few
seconds the state goes into the training's row, so another worker goes on from there when this one dies. The same history,
seed and settings give the same bytes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import to_builtins
from sqlalchemy.orm import Session

from quadra import __version__
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.field import artifact, metrics, versions
from quadra.field.bodies import TrainingPoint
from quadra.field.cells import Field, Reading
from quadra.field.features import Sight, count
from quadra.field.signal_store import forget as forget_signals
from quadra.field.tables import FieldVersion, TrainingRun
from quadra.jobs.errors import Permanent
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease
from quadra.jobs.queue import MANUAL, enqueue
from quadra.warehouse.query.engine import warehouse_of

logger = logging.getLogger(__name__)

TRAIN = "train"
CELLS, DECAY, SEED = 256, 0.98, 1
POINTS = 64
"""Of the history of a training: where there would be more, every second one goes."""
LEAST_PIECES = 8
CHECKPOINT_SECONDS = 3.0
HISTORY = """
    SELECT name, page_url, coalesce(session_id, user_id) AS who, occurred_us FROM events ORDER BY occurred_us, event_id"""


def start(
    session: Session,
    settings: Settings,
    project: Project,
    *,
    cells: int = CELLS,
    decay: float = DECAY,
    seed: int = SEED,
    max_iterations: int | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
) -> TrainingRun:
    """Ask for a training. Raises `Conflict` while another one of the project is unfinished."""
    run = TrainingRun(
        project_id=project.id,
        job_id="",
        args={
            "cells": cells,
            "decay": decay,
            "seed": seed,
            "max_iterations": max_iterations,
            "from_us": clock.to_us(from_at) if from_at else 0,
            "to_us": clock.to_us(to_at) if to_at else clock.now_us(),
        },
    )
    session.add(run)
    session.flush()
    try:
        job = enqueue(
            session,
            kind=TRAIN,
            max_attempts=settings.job_max_attempts,
            args={"training_id": run.id},
            project_id=project.id,
            unique_as=f"{TRAIN}:{project.id}",
            priority=HANDLERS[TRAIN].priority,
            trigger=MANUAL,
        )
    except Conflict as error:
        raise Conflict("A training of this project is unfinished; GET /api/training/status shows it.") from error
    run.job_id = job.id
    return run


def train(runtime: Runtime, lease: Lease) -> None:
    with runtime.database.begin() as session:
        lease.hold(session)
        run = session.get(TrainingRun, str(lease.job.args["training_id"]))
        if run is None:
            raise Permanent("The training of this job is gone.")
        run.status, run.updated_at = "running", clock.now()
        args, done, history = run.args, run.iteration, [TrainingPoint(**point) for point in run.history]
        field = _begin(run)
    session_seconds = time.monotonic()
    with warehouse_of(runtime).look(
        run.project_id, start_us=args["from_us"], end_us=args["to_us"], export=True
    ) as look:
        total = look.query("SELECT count(*) FROM events").rows[0][0]
        if not total:
            _fail(runtime, lease, run.id, "There are no events between from and to.")
            return
        size = max(1, min(runtime.settings.batch_max_events, total // LEAST_PIECES))
        most = args["max_iterations"] or total
        stride = max(1, -(-min(most, total // size) // POINTS))
        reading: Reading | None = None
        pieces = _pieces(look.stream_by_day(HISTORY), size)
        for number, piece in enumerate(pieces, start=1):
            if number > most or lease.lost.is_set():
                break
            if number <= done:  # learned before a worker died
                continue
            came = field.came(count(piece))
            reading = field.score(came)
            field.learn(came, reading)
            metrics.training_batches_total.inc()
            if number % stride == 0 or number == 1:
                history.append(_point(number, reading))
            if time.monotonic() - session_seconds > CHECKPOINT_SECONDS:
                session_seconds = time.monotonic()
                _checkpoint(runtime, lease, run.id, field, number, reading, history)
    _finish(runtime, lease, run, field, history)


def _begin(run: TrainingRun) -> Field:
    if run.checkpoint:
        return artifact.unpack(run.checkpoint, f"the checkpoint of training {run.id}")
    return Field(run.args["cells"], run.args["seed"], run.args["decay"])


def _pieces(batches: Iterator[Any], size: int) -> Iterator[list[Sight]]:
    """Lists of `size` events; the last may be shorter."""
    piece: list[Sight] = []
    for batch in batches:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            piece.append(Sight._make(row))
            if len(piece) == size:
                yield piece
                piece = []
    if piece:
        yield piece


def _point(number: int, reading: Reading) -> TrainingPoint:
    return TrainingPoint(
        iteration=number,
        loss=round(reading.loss, 6),
        reward=round(reading.reward, 6),
        field_variance=round(reading.variance, 6),
    )


def _checkpoint(
    runtime: Runtime,
    lease: Lease,
    training_id: str,
    field: Field,
    number: int,
    reading: Reading,
    history: list[TrainingPoint],
) -> None:
    with runtime.database.begin() as session:
        lease.hold(session)
        run = session.get_one(TrainingRun, training_id)
        run.iteration, run.checkpoint, run.history = number, artifact.pack(field), to_builtins(history)
        run.loss, run.variance, run.updated_at = reading.loss, reading.variance, clock.now()


def _fail(runtime: Runtime, lease: Lease, training_id: str, message: str) -> None:
    """It was done as asked, and there was nothing to learn: another attempt finds the same."""
    with runtime.database.begin() as session:
        lease.succeed(session)
        run = session.get_one(TrainingRun, training_id)
        run.status, run.message, run.checkpoint = "failed", message, None
        run.updated_at = run.finished_at = clock.now()


def _finish(runtime: Runtime, lease: Lease, run: TrainingRun, field: Field, history: list[TrainingPoint]) -> None:
    """The files first, under a name that only this attempt has; then the row that makes them a version."""
    settings = runtime.settings
    directory = versions.directory_of(settings)
    with runtime.database.read() as session:
        version = versions.next_version(session, run.project_id)
        slug = session.scalar(sa.select(Project.slug).where(Project.id == run.project_id)) or ""
    data = artifact.encode(field)
    stem = f"field-{run.project_id}-v{version}-{lease.job.token[-8:]}"
    at, loss = clock.now(), history[-1].loss if history else 0.0
    row = FieldVersion(
        project_id=run.project_id,
        version=version,
        training_id=run.id,
        created_at=at,
        stem=stem,
        sha256=artifact.digest(data),
        cells=field.cells,
        seed=field.seed,
        decay=field.decay,
        iterations=field.iterations,
        events=field.events,
        loss=loss,
        window_from=clock.from_us(run.args["from_us"]),
        window_to=clock.from_us(run.args["to_us"]),
        code_version=__version__,
    )
    artifact.write(directory, stem, data, _manifest(row, slug))
    try:
        with runtime.database.begin() as session:
            lease.succeed(session)
            has_active = any(one.active for one in versions.list_versions(session, run.project_id))
            session.add(row)
            session.flush()
            if not has_active:
                versions.activate(session, row, field)
            gone = [one.stem for one in versions.surplus(session, run.project_id)]
            session.execute(sa.delete(FieldVersion).where(FieldVersion.stem.in_(gone)))
            stored = session.get_one(TrainingRun, run.id)
            stored.status, stored.version, stored.checkpoint = "completed", version, None
            stored.iteration, stored.history = field.iterations, to_builtins(history)
            stored.loss, stored.variance = loss, field.instability
            stored.updated_at = stored.finished_at = at
            forget_signals(session, run.project_id)
    except BaseException:
        artifact.remove(directory, stem)  # nothing names them
        raise
    for one in gone:
        artifact.remove(directory, one)
    logger.info("field.version.made", extra={"project_id": run.project_id, "version": version})


def _manifest(row: FieldVersion, slug: str) -> artifact.Manifest:
    return artifact.Manifest(
        project=slug,
        version=row.version,
        training_id=row.training_id,
        created_at=clock.iso(row.created_at),
        file=f"{row.stem}.npz",
        sha256=row.sha256,
        cells=row.cells,
        seed=row.seed,
        decay=row.decay,
        iterations=row.iterations,
        events=row.events,
        loss=row.loss,
        window_from=clock.iso(row.window_from),
        window_to=clock.iso(row.window_to),
        code_version=row.code_version,
    )


HANDLERS = {
    # after all that is done for batches: a long history must not keep them waiting
    TRAIN: Handler(train, timeout=timedelta(hours=1), priority=50),
}
