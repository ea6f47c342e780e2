"""What the field calls anomalous, as an insight of the analyst `field`. The same anomaly goes on being one insight.

Runs in the transaction in which the field learns a batch, whose project's row it holds: no two batches are told at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.field.cells import ANOMALOUS_Z
from quadra.field.learning import FIELD, learn_batch, learn_batches
from quadra.field.learning import HANDLERS as FIELD_HANDLERS
from quadra.field.tables import FieldReading
from quadra.ingest.tables import Batch
from quadra.insights.handlers import ANALYSE, ANALYSE_LLM
from quadra.insights.handlers import HANDLERS as INSIGHT_HANDLERS
from quadra.insights.metrics import insights_total
from quadra.insights.reading import timezone_of
from quadra.insights.scrub import scrub
from quadra.insights.store import find_insight, save_insight
from quadra.insights.tables import Insight
from quadra.insights.words import clean, percent
from quadra.jobs.states import PENDING
from quadra.jobs.tables import Job

ANALYST = "field"
GOES_ON = 10
"""Batches after which an anomaly that was not seen in between is over; what comes later is another one."""
LATELY = 20
"""Insights among which those that go on are looked for."""
TOLD = 3
SOONEST = 9
NOVEL = 1.0
"""From this z on, the analysis of a batch comes before that of usual ones."""

HURRY = (
    sa.update(Job)
    .where(Job.batch_id == sa.bindparam("batch"), Job.kind == sa.bindparam("which"), Job.state == PENDING)
    .values(priority=sa.bindparam("to"))
)
NEWEST = (
    sa.select(Insight)
    .where(Insight.project_id == sa.bindparam("project"), Insight.analyst == ANALYST, Insight.batch_id.is_not(None))
    .order_by(Insight.created_at.desc(), Insight.id.desc())
    .limit(LATELY)
)


def tell(session: Session, batch: Batch, reading: FieldReading, last: bool) -> None:
    """What follows from a batch that the field has just read; `last` where no other of its project follows at once."""
    if reading.novelty_z >= NOVEL:
        _hurry(session, batch.id, min(SOONEST, int(reading.novelty_z)))
    anomalous = bool(reading.anomalous and reading.moved)
    going_on = _going_on(session, batch.project_id) if anomalous or last else []
    if not anomalous:
        return
    subjects = {_subject(one) for one in reading.moved}
    before = next((insight for insight in going_on if insight.evidence["subject"] in subjects), None)
    if before is None:
        _begin(session, batch, reading)
    else:
        _go_on(session, before, batch, reading)


HANDLERS = {
    FIELD: replace(
        FIELD_HANDLERS[FIELD], work=partial(learn_batch, tell=tell), together=partial(learn_batches, tell=tell)
    )
}


def _hurry(session: Session, batch_id: str, steps: int) -> None:
    """Of analyses that wait, the most novel batch's first."""
    for kind in (ANALYSE, ANALYSE_LLM):
        priority = INSIGHT_HANDLERS[kind].priority - steps
        session.connection().execute(HURRY, {"batch": batch_id, "which": kind, "to": priority})


def _going_on(session: Session, project_id: int) -> list[Insight]:
    """The anomalies of batches that are not over. Ends those that were not seen for so many batches."""
    found = []
    for insight in session.scalars(NEWEST, {"project": project_id}):
        if not insight.evidence.get("going_on"):
            continue
        last = session.get(FieldReading, insight.evidence.get("last_batch_id", ""))
        since = sa.select(sa.func.count()).where(FieldReading.project_id == project_id)
        batches = GOES_ON + 1 if last is None else session.scalar(since.where(FieldReading.at > last.at)) or 0
        if batches <= GOES_ON:
            found.append(insight)
        else:
            insight.evidence = insight.evidence | {"going_on": False}
            insight.updated_at = clock.now()
    return found


def _begin(session: Session, batch: Batch, reading: FieldReading) -> None:
    if find_insight(session, batch_id=batch.id, analyst=ANALYST) is not None:
        return
    began = batch.opened_at
    save_insight(
        session,
        batch,
        analyst=ANALYST,
        summary=_summary(reading, ""),
        confidence=_confidence(reading.novelty_z),
        patterns=_patterns(reading.moved),
        recommendations=["Compare the events of this batch with those of an hour before on the page Events."],
        evidence={
            "subject": _subject(reading.moved[0]),
            "novelty_z": round(reading.novelty_z, 3),
            "loss": round(reading.loss, 6),
            "cells": _shown(reading.moved),
            "since": clock.iso(began),
            "batches": 1,
            "last_batch_id": batch.id,
            "going_on": True,
            "value": round(reading.novelty_z, 3),
            "low": None,
            "high": ANOMALOUS_Z,
        },
        window_from=began,
        window_to=batch.sealed_at or began,
        updated_at=clock.now(),
    )
    insights_total.labels(ANALYST).inc()


def _go_on(session: Session, insight: Insight, batch: Batch, reading: FieldReading) -> None:
    evidence = dict(insight.evidence)
    evidence["batches"] += 1
    evidence["last_batch_id"] = batch.id
    if reading.novelty_z > evidence["novelty_z"]:  # it is told by the batch that showed it most
        evidence |= {
            "novelty_z": round(reading.novelty_z, 3),
            "value": round(reading.novelty_z, 3),
            "loss": round(reading.loss, 6),
            "cells": _shown(reading.moved),
        }
        insight.patterns = _patterns(reading.moved)
        insight.confidence = _confidence(reading.novelty_z)
    since = (insight.window_from or batch.opened_at).astimezone(timezone_of(session, batch.project_id))
    insight.summary = _summary(reading, f"Since {since:%H:%M}, {evidence['batches']} batches: ")
    insight.event_count += batch.event_count
    insight.window_to = batch.sealed_at or batch.opened_at
    insight.evidence = evidence
    insight.updated_at = clock.now()


def _subject(moved: dict[str, Any]) -> str:
    """What an anomaly is about: a cell, and where to it moved. It goes on while later batches name it too."""
    return f"{moved['cell']} {'up' if moved['share'] > moved['usual'] else 'down'}"


def _summary(reading: FieldReading, since: str) -> str:
    return f"{since}Traffic differs from what is usual here: {_sentence(reading.moved[0])}."


def _patterns(moved: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{_sentence(one)}." for one in moved[:TOLD]]


def _shown(moved: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Evidence names nobody either."""
    return [one | {"label": clean(scrub(one["label"]))} for one in moved]


def _sentence(one: dict[str, Any]) -> str:
    label, share, usual = clean(scrub(one["label"])), percent(one["share"]), percent(one["usual"])
    return f"“{label}” is {share} of {OF[one['family']]}, usually {usual}"


OF = {
    "type": "all events",
    "page": "events with a page",
    "flow": "steps from one event to the next",
    "gap": "pauses between events",
    "hour": "all events",
}


def _confidence(z: float) -> float:
    """0.75 at the threshold, ever nearer to 1 beyond."""
    return round(1 - 0.5 / max(2.0, z - 1.5), 4)
