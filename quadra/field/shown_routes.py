"""The HTTP doors to what the field knows and to the signals with their bands: what the page Field shows."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Literal

import sqlalchemy as sa
from msgspec import Struct

from quadra.accounts.access import require_project
from quadra.accounts.params import OF_KEY
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says, within
from quadra.core.web.http import runtime
from quadra.field import artifact, versions
from quadra.field.minutes import Reading
from quadra.field.signal_store import readings_typed
from quadra.field.signals import SIGNALS
from quadra.field.tables import FieldReading, FieldState, SignalMinute

doors = Doors("field_shown", __name__)

POINTS = 360
"""Of a signal in an answer; of more minutes, each point is several."""


class AskField(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    limit: Annotated[int, within(1, 500, "Batches, the newest.")] = 200


class AskSignals(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    hours: Annotated[int, within(1, 48, "Up to now.")] = 6


class BatchReading(Struct, kw_only=True):
    at: Time
    batch_id: str
    events: int
    loss: float
    reward: float
    variance: float
    novelty_z: float
    anomalous: bool


class FieldCell(Struct, kw_only=True):
    cell: int
    family: str
    label: str
    share: Annotated[float, says("Usual share of its family.")]
    instability: Annotated[float, says("0 always the same share … 1 all or nothing.")]


class FieldShown(Struct, kw_only=True):
    project: str
    iterations: int
    version: Annotated[int, says("The version it goes on from; 0 for none.")]
    loss: float | None
    reward: float | None
    variance: float | None
    drift: float | None
    drift_threshold: float
    drift_since: Time | None
    readings: Annotated[list[BatchReading], says("The oldest first.")]
    cells: Annotated[list[FieldCell], says("Those in use, by their place.")]


class SignalPoint(Struct, kw_only=True):
    at: Time
    value: float | None
    low: float | None
    high: float | None
    score: float
    anomalous: bool


class SignalShown(Struct, kw_only=True):
    name: Annotated[str, says("`goal:<id>` for the conversion of a goal.")]
    title: str
    form: Literal["count", "ms", "usd", "percent"]
    points: list[SignalPoint]


class SignalsShown(Struct, kw_only=True):
    minutes: Annotated[int, says("Of a point: means, the highest score.")]
    signals: list[SignalShown]


@doors(
    "GET",
    "/api/field",
    title="What the field knows",
    says="How the latest batches compared with it, and its cells.",
    needs="viewer",
    asks=Params(AskField),
    answers=FieldShown,
    refuses=(404,),
)
def show_field(asked: AskField) -> FieldShown:
    project = require_project(asked.project, "viewer")
    newest = sa.select(FieldReading).where(FieldReading.project_id == project.id)
    with runtime().database.read() as session:
        state = session.get(FieldState, project.id)
        found = session.scalars(newest.order_by(FieldReading.at.desc()).limit(asked.limit)).all()
    known = state is not None and state.iterations > 0
    return FieldShown(
        project=project.slug,
        iterations=state.iterations if state else 0,
        version=state.version if state else 0,
        loss=state.loss if state and known else None,
        reward=1 / (1 + state.loss) if state and known else None,
        variance=state.variance if state and known else None,
        drift=state.drift if state and state.version else None,
        drift_threshold=versions.DRIFT_THRESHOLD,
        drift_since=clock.iso(state.drift_since) if state and state.drift_since else None,
        readings=[_batch(row) for row in reversed(found)],
        cells=_cells(state) if state and known else [],
    )


@doors(
    "GET",
    "/api/field/signals",
    title="Signals by the minute",
    says="What came, the band that was expected, and how surprising it was: judged before it was learned.",
    needs="viewer",
    asks=Params(AskSignals),
    answers=SignalsShown,
    refuses=(404,),
)
def show_signals(asked: AskSignals) -> SignalsShown:
    project = require_project(asked.project, "viewer")
    since = clock.now() - timedelta(hours=asked.hours)
    query = sa.select(SignalMinute).where(SignalMinute.project_id == project.id, SignalMinute.minute_at > since)
    with runtime().database.read() as session:
        rows = session.scalars(query.order_by(SignalMinute.minute_at)).all()
    minutes = max(1, -(-asked.hours * 60 // POINTS))
    found: dict[str, list[tuple[str, Reading]]] = {}
    for row in rows:
        for name, reading in readings_typed.convert(row.readings).items():
            found.setdefault(name, []).append((clock.iso(row.minute_at), reading))
    known = {signal.name: (signal.title, signal.form) for signal in SIGNALS}
    return SignalsShown(
        minutes=minutes,
        signals=[_signal(name, *known.get(name, (name, "percent")), found[name], minutes) for name in found],
    )


def _batch(row: FieldReading) -> BatchReading:
    return BatchReading(
        at=clock.iso(row.at),
        batch_id=row.batch_id,
        events=row.events,
        loss=row.loss,
        reward=row.reward,
        variance=row.variance,
        novelty_z=row.novelty_z,
        anomalous=row.anomalous,
    )


def _cells(state: FieldState) -> list[FieldCell]:
    field = artifact.unpack(state.data, f"the field of project {state.project_id}")
    unstable = field.instability_of_cells
    return [
        FieldCell(
            cell=cell,
            family=family,
            label=field.labels.get(cell, f"cell {cell}"),
            share=round(float(field.mean[cell]), 6),
            instability=round(float(unstable[cell]), 6),
        )
        for family, part in field.slices.items()
        for cell in range(part.start, part.stop)
        if field.mean[cell] > 0
    ]


def _signal(name: str, title: str, form: str, found: list[tuple[str, Reading]], minutes: int) -> SignalShown:
    points = [_point(found[at : at + minutes]) for at in range(0, len(found), minutes)]
    return SignalShown(name=name, title=title, form=form, points=points)  # type: ignore[arg-type]


def _point(part: list[tuple[str, Reading]]) -> SignalPoint:
    readings = [reading for _, reading in part]
    return SignalPoint(
        at=part[0][0],
        value=_mean([one.value for one in readings]),
        low=_mean([one.low for one in readings]),
        high=_mean([one.high for one in readings]),
        score=max(one.score for one in readings),
        anomalous=any(one.anomalous for one in readings),
    )


def _mean(numbers: list[float | None]) -> float | None:
    known = [one for one in numbers if one is not None]
    return math.fsum(known) / len(known) if known else None
