"""The HTTP doors to training, versions and drift. Reading is for viewers, training and promoting for editors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import require_project
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY, OF_PROJECT, OfProject
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import runtime
from quadra.field import training, versions
from quadra.field.bodies import DriftCell, ModelVersion, ModelVersions, Training, latest, training_body, version_body
from quadra.field.cells import LEAST_CELLS, MOST_CELLS
from quadra.field.tables import FieldState

doors = Doors("field", __name__)

MOST_SEED = 2**31 - 1
LEAST_DECAY = 0.5


class Train(Struct, kw_only=True, rename={"from_": "from"}):
    project: Annotated[str | None, OF_KEY] = None
    from_: Annotated[str | None, says("Events from here on; left out: all.", "2026-01-01T00:00:00Z")] = None
    to: Annotated[str | None, says("Events before this; left out: until now.", "2026-02-01T00:00:00Z")] = None
    cells: Annotated[int | None, says(f"Size of the field, {LEAST_CELLS} to {MOST_CELLS}.", training.CELLS)] = None
    field_size: Annotated[int | None, says("Another name of cells.", training.CELLS)] = None
    decay: Annotated[float | None, says(f"How much of the past stays at each step, {LEAST_DECAY} to 1.", 0.98)] = None
    seed: Annotated[int, within(0, MOST_SEED, "The same seed and history give the same bytes.")] = training.SEED
    max_iterations: Annotated[int | None, says("Steps at the most.", 1_000)] = None


class Promoted(Struct, kw_only=True):
    version: ModelVersion


class Drift(Struct, kw_only=True):
    drift: Annotated[float | None, says("0 not at all … 1 nothing in common; null without a version.", 0.04)]
    threshold: float
    since: Time | None
    by_cell: list[DriftCell]


VERSION = Param(name="version", shape=int, says="Its number.", example=1)


@doors(
    "POST",
    "/api/train",
    title="Train the model",
    says="Learns stored history in a job. 409 while another training of the project is unfinished.",
    needs="editor",
    asks=Params(Train),
    answers=Training,
    answer_says="The training waits for a worker.",
    status=202,
    refuses=(404, 409),
)
def start_training(asked: Train) -> Training:
    project = require_project(asked.project, "editor")
    options = _options(asked)
    with runtime().database.begin() as session:
        run = training.start(
            session,
            runtime().settings,
            project,
            **options,
        )
        _record(session, "field.training.asked", run.id, project.id)
        return training_body(session, run, project.slug)


@doors(
    "GET",
    "/api/training/status",
    title="How the latest training is doing",
    needs="viewer",
    asks=OF_PROJECT,
    answers=Training,
    refuses=(404,),
)
def show_training(asked: OfProject) -> Training:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        run = latest(session, project.id)
        if run is None:
            raise NotFound("This project was never trained; POST /api/train begins it.")
        return training_body(session, run, project.slug)


@doors(
    "GET",
    "/api/model/versions",
    title="List versions",
    needs="viewer",
    asks=OF_PROJECT,
    answers=ModelVersions,
    refuses=(404,),
)
def show_versions(asked: OfProject) -> ModelVersions:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        return ModelVersions(versions=[version_body(row) for row in versions.list_versions(session, project.id)])


@doors(
    "POST",
    "/api/model/{version}/promote",
    title="Make a version the active one",
    says="The live field goes on from it. 409 where its files are not what was written.",
    needs="editor",
    asks=OF_PROJECT,
    named={"version": VERSION},
    answers=Promoted,
    refuses=(404, 409),
)
def promote_version(asked: OfProject, version: str) -> Promoted:
    project = require_project(asked.project, "editor")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise NotFound("A version is a number; GET /api/model/versions lists them.")
    with runtime().database.begin() as session:
        row = versions.promote(session, runtime().settings, project.id, int(version))
        _record(session, "field.version.promoted", str(row.version), project.id)
        return Promoted(version=version_body(row))


@doors(
    "GET",
    "/api/model/drift",
    title="How far the live field has come from its version",
    needs="viewer",
    asks=OF_PROJECT,
    answers=Drift,
    refuses=(404,),
)
def show_drift(asked: OfProject) -> Drift:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        state = session.get(FieldState, project.id)
    known = state is not None and state.version > 0
    return Drift(
        drift=state.drift if state is not None and known else None,
        threshold=versions.DRIFT_THRESHOLD,
        since=clock.iso(state.drift_since) if state is not None and state.drift_since else None,
        by_cell=[DriftCell(**cell) for cell in state.drift_cells] if state is not None and known else [],
    )


def _options(asked: Train) -> dict[str, Any]:
    """What `training.start` takes. Raises `Invalid`, naming every wrong field."""
    wrong: dict[str, str] = {}
    for name in ("cells", "field_size"):
        if not LEAST_CELLS <= (getattr(asked, name) or LEAST_CELLS) <= MOST_CELLS or getattr(asked, name) == 0:
            wrong[name] = f"a number from {LEAST_CELLS} to {MOST_CELLS}"
    if None not in (asked.cells, asked.field_size) and asked.cells != asked.field_size:
        wrong["field_size"] = "the same as cells, or left out"
    decay = training.DECAY if asked.decay is None else asked.decay
    if not LEAST_DECAY <= decay < 1:
        wrong["decay"] = f"a number from {LEAST_DECAY} to below 1"
    if asked.max_iterations is not None and asked.max_iterations < 1:
        wrong["max_iterations"] = "a number from 1 on"
    from_at, to_at = _moment("from", asked.from_, wrong), _moment("to", asked.to, wrong)
    if from_at and to_at and from_at >= to_at:
        wrong["to"] = "later than from"
    if wrong:
        raise Invalid("The training cannot be done so.", fields=wrong)
    return {
        "cells": asked.cells or asked.field_size or training.CELLS,
        "decay": decay,
        "seed": asked.seed,
        "max_iterations": asked.max_iterations,
        "from_at": from_at,
        "to_at": to_at,
    }


def _moment(name: str, text: str | None, wrong: dict[str, str]) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        wrong[name] = "a time such as 2026-01-31T12:00:00Z, or a date"
        return None
    if at is not None and at.year < 1970:
        wrong[name] = "a time from 1970 on"
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) if at else None


def _record(session: Session, action: str, subject: str, project_id: int) -> None:
    note(session, action, subject=subject, project_id=project_id)
