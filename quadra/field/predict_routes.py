"""POST /api/predict: one of `events`, `batch_id`, `vector` against the model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Blueprint, Response
from msgspec import Meta, Struct

from quadra.accounts.access import require_project
from quadra.core import clock
from quadra.core.api.doors import answered
from quadra.core.api.openapi import Answer, Body, Door, Schema
from quadra.core.errors import Invalid, NotFound
from quadra.core.names import snake_case
from quadra.core.web.http import json_body, runtime
from quadra.field.bodies import MovedCell
from quadra.field.cells import ANOMALOUS_Z, MOST_CELLS, Reading
from quadra.field.features import Sight
from quadra.field.learning import moved_cell, read_batches
from quadra.field.predicting import of_events, of_vector, predict, read_model
from quadra.ingest.tables import Batch

blueprint = Blueprint("field_predict", __name__)

MOST_EVENTS = 2_000
WAYS = ("events", "batch_id", "vector")
KNOWN = (*WAYS, "project")
MS_FROM = 1e11
"""Numbers from here on are milliseconds; nobody asks of the year 5138."""


class Prediction(Struct, kw_only=True):
    prediction: Annotated[str, Meta(extra_json_schema={"enum": ["normal", "anomalous"]})]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    loss: Annotated[float, Meta(ge=0, le=1)]
    reward: float
    variance: float
    novelty_z: float
    anomalous: bool
    cells: list[MovedCell]
    latency_ms: float
    model_version: str


BODY: Schema = {
    "type": "object",
    "properties": {
        "project": {"type": ["string", "null"]},
        "batch_id": {"type": ["string", "null"]},
        "events": {"type": ["array", "null"], "minItems": 1, "items": {"type": "object"}},
        "vector": {"type": ["array", "null"], "minItems": 1, "maxItems": MOST_CELLS, "items": {"type": "number"}},
    },
}

DOOR = Door(
    method="POST",
    path="/api/predict",
    title="Compare events with the model",
    says=(
        f"Takes exactly one of `events` (as they are sent to /api/events, at most {MOST_EVENTS:,}), `batch_id`, `vector`. "
        "It teaches nothing."
    ),
    needs="viewer",
    body=Body(shape=BODY, example={"events": [{"event_type": "page_view", "page": "/pricing"}]}),
    answers={
        200: Answer(
            says="How they compare, and the cells that moved most.",
            shape=Prediction,
            example={
                "prediction": "normal",
                "confidence": 0.84,
                "loss": 0.08,
                "reward": 0.926,
                "variance": 0.02,
                "novelty_z": 0.65,
                "anomalous": False,
                "cells": [
                    {
                        "cell": 12,
                        "family": "type",
                        "label": "signup",
                        "share": 0.2,
                        "usual": 0.05,
                        "z": 2.1,
                    }
                ],
                "latency_ms": 0.4,
                "model_version": "3",
            },
        )
    },
    refuses=(404, 409),
)


@blueprint.post("/api/predict")
def show_prediction() -> Response:
    body = json_body()
    unknown = {name: "is not known; takes " + ", ".join(KNOWN) for name in body if name not in KNOWN}
    given = [name for name in WAYS if body.get(name) is not None]
    if unknown:
        raise Invalid("The request cannot be understood.", fields=unknown)
    if len(given) != 1:
        raise Invalid("Say what to compare.", fields={"events": "exactly one of events, batch_id, vector"})
    slug = body.get("project")
    if slug is not None and not isinstance(slug, str):
        raise Invalid("The request cannot be understood.", fields={"project": "a text"})
    project = require_project(slug or None, "viewer")
    with runtime().database.snapshot() as session:
        if given == ["batch_id"]:
            batch = session.get(Batch, body["batch_id"]) if isinstance(body["batch_id"], str) else None
            if batch is None or batch.project_id != project.id:
                raise NotFound("There is no such batch in this project.")
            sights = [sight for _, mine in read_batches(session, [batch.id]) for sight in mine]
            if not sights:
                raise NotFound(f"The events of batch {batch.id} are in the segments; compare them by their events.")
            came_of = of_events(sights)
        elif given == ["events"]:
            came_of = of_events(_sights(body["events"]))
        else:
            came_of = of_vector(_vector(body["vector"]))
        model = read_model(session, runtime().settings, project.id)
    found = predict(model, came_of)
    return answered(_prediction(found.reading, found.latency_ms, found.version))


def _prediction(reading: Reading, latency_ms: float, version: str) -> Prediction:
    return Prediction(
        prediction="anomalous" if reading.anomalous else "normal",
        confidence=round(min(1.0, abs(reading.novelty_z - ANOMALOUS_Z) / ANOMALOUS_Z), 4),
        loss=reading.loss,
        reward=reading.reward,
        variance=reading.variance,
        novelty_z=reading.novelty_z,
        anomalous=reading.anomalous,
        cells=[moved_cell(one) for one in reading.moved],
        latency_ms=latency_ms,
        model_version=version,
    )


def _vector(value: Any) -> list[float]:
    right = isinstance(value, list) and value and len(value) <= MOST_CELLS
    if not right or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        raise Invalid("The vector does not fit.", fields={"vector": f"a list of 1 to {MOST_CELLS:,} numbers"})
    return [float(one) for one in value]


def _sights(events: Any) -> list[Sight]:
    """In the order of their times. Raises `Invalid`, naming the first fields that are wrong."""
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        raise Invalid("The events do not fit.", fields={"events": f"a list of 1 to {MOST_EVENTS:,} events"})
    wrong: dict[str, str] = {}
    now, sights = clock.now_us(), []
    for number, event in enumerate(events):
        if not isinstance(event, dict):
            wrong[f"events[{number}]"] = "an object"
            continue
        fields = {snake_case(str(name)): value for name, value in event.items()}
        name = fields.get("event_name") or fields.get("event_type")
        at = _at_us(fields.get("timestamp"), now)
        if not isinstance(name, str):
            wrong[f"events[{number}].event_type"] = "a text"
        if at is None:
            wrong[f"events[{number}].timestamp"] = "an ISO 8601 time, or milliseconds since 1970"
        if isinstance(name, str) and at is not None:
            page = fields.get("page_url") or fields.get("page")
            who = fields.get("session_id") or fields.get("user_id") or fields.get("anonymous_id")
            sights.append(Sight(name, page if isinstance(page, str) else None, str(who) if who else None, at))
        if len(wrong) > 20:
            break
    if wrong:
        raise Invalid("The events do not fit.", fields=wrong)
    return sorted(sights, key=lambda sight: sight.occurred_us)


def _at_us(value: Any, now: int) -> int | None:
    """None for what is no time; `now` where there is none."""
    if value is None:
        return now
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return clock.to_us(at if at.tzinfo else at.replace(tzinfo=UTC))
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
            return int(value * (1_000 if abs(value) >= MS_FROM else 1_000_000))
    except (ValueError, OverflowError):
        return None
    return None
