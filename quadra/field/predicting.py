"""How events, a batch or a vector compare with the model. It teaches nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from quadra.core.errors import Conflict, Invalid
from quadra.core.settings import Settings
from quadra.field import artifact, metrics, versions
from quadra.field.cells import Came, Field, Reading
from quadra.field.features import Sight, count
from quadra.field.tables import FieldState

ONLINE = "online"
"""The model version of a project that was never trained: the field as it learned from batches alone."""


@dataclass(frozen=True, slots=True)
class Model:
    version: str
    field: Field


@dataclass(frozen=True, slots=True)
class Predicted:
    reading: Reading
    version: str
    latency_ms: float


def read_model(session: Session, settings: Settings, project_id: int) -> Model:
    """The active version, else the newest sound one, else what was learned from batches. Raises `Conflict` for none."""
    sound, wrong = versions.read_sound(session, settings, project_id)
    if sound is not None:
        return Model(str(sound.version), sound.field)
    state = session.get(FieldState, project_id)
    if state is None:
        raise Conflict(wrong or "This project's model has learned nothing yet; send events, or POST /api/train.")
    return Model(ONLINE, artifact.unpack(state.data, f"the field of project {project_id}"))


def predict(model: Model, came_of: Callable[[Field], Came]) -> Predicted:
    began = time.perf_counter()
    reading = model.field.score(came_of(model.field))
    seconds = time.perf_counter() - began
    metrics.predicted(model.version, seconds)
    return Predicted(reading, model.version, round(seconds * 1000, 3))


def of_events(sights: Sequence[Sight]) -> Callable[[Field], Came]:
    return lambda field: field.came(count(sights))


def of_vector(vector: Sequence[Any]) -> Callable[[Field], Came]:
    """Weights of the cells; each family's are brought to a sum of 1. Raises `Invalid`."""

    def came(field: Field) -> Came:
        if len(vector) != field.cells:
            raise Invalid(
                "The vector does not fit.", fields={"vector": f"{field.cells} numbers, one for each cell of the model"}
            )
        shares = np.array(vector, dtype=np.float64)
        if not np.isfinite(shares).all() or (shares < 0).any() or shares.max() > 1e100:
            raise Invalid("The vector does not fit.", fields={"vector": "numbers from 0 on"})
        events: dict[str, int] = {}
        for family, part in field.slices.items():
            total = float(shares[part].sum())
            if total > 0:
                shares[part] /= total
                events[family] = max(1, round(total))
        if not events:
            raise Invalid("The vector does not fit.", fields={"vector": "at least one number above 0"})
        return Came(shares, events, {})

    return came
