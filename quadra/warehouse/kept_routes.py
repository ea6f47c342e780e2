"""What is kept and what goes: erasure requests with their state, and what another retention takes away, before it does."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import require_project
from quadra.accounts.params import OF_KEY
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says, within
from quadra.core.web.http import runtime
from quadra.ingest.tables import Batch, Event
from quadra.jobs.states import FAILED, PENDING, RUNNING
from quadra.jobs.tables import Job
from quadra.warehouse.erasure.jobs import ERASE
from quadra.warehouse.segments.catalogue import first_kept_us
from quadra.warehouse.tables import LIVE, Erasure, Segment

doors = Doors("kept", __name__)

LONGEST_DAYS = 36_500
ErasureState = Literal["waiting", "running", "failed", "done", "stopped"]


class WhichErasures(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    limit: Annotated[int, within(1, 1_000, "The latest so many.")] = 100


class KeptErasure(Struct, kw_only=True):
    id: str
    user_id: str
    requested_at: Time
    done_at: Time | None
    rows: Annotated[int, says("Rows that were taken out.")]
    state: Annotated[ErasureState, says("`failed` is a dead letter, `stopped` was discarded by a person.")]


class KeptErasures(Struct, kw_only=True):
    erasures: list[KeptErasure]


class WhichRetention(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    days: Annotated[
        Annotated[int, within(1, LONGEST_DAYS)] | None,
        says("As if `QUADRA_RETENTION_DAYS` said this; left out: as it is."),
    ] = None


class KeptFor(Struct, kw_only=True):
    retention_days: Annotated[int | None, says("The setting; null keeps events forever.")]
    days: Annotated[int | None, says("What the rest is about.")]
    kept_from: Annotated[str | None, says("The first UTC day that is kept.", "2026-01-01")]
    events: Annotated[int, says("How many events go.")]
    bytes: Annotated[int, says("Of the files that go.")]
    oldest: Annotated[str | None, says("The UTC day of the oldest of them.", "2025-06-01")]


@doors(
    "GET",
    "/api/erasures",
    title="List erasure requests",
    needs="admin",
    asks=Params(WhichErasures),
    answers=KeptErasures,
    answer_says="The latest first.",
    refuses=(404,),
)
def show_erasures(asked: WhichErasures) -> KeptErasures:
    project = require_project(asked.project, "admin")
    query = sa.select(Erasure).where(Erasure.project_id == project.id)
    with runtime().database.read() as session:
        states = _job_states(session, project.id)
        found = session.scalars(query.order_by(Erasure.requested_at.desc(), Erasure.id.desc()).limit(asked.limit))
        return KeptErasures(
            erasures=[
                KeptErasure(
                    id=one.id,
                    user_id=one.user_id,
                    requested_at=clock.iso(one.requested_at),
                    done_at=clock.iso_or_none(one.done_at),
                    rows=one.rows,
                    state="done" if one.done_at is not None else states.get(one.id, "stopped"),
                )
                for one in found
            ]
        )


@doors(
    "GET",
    "/api/retention",
    title="What goes by the retention?",
    says="Nothing is changed. Look here before you shorten `QUADRA_RETENTION_DAYS`.",
    needs="admin",
    asks=Params(WhichRetention),
    answers=KeptFor,
    answer_says="What is older than the first day that is kept.",
    refuses=(404,),
)
def show_retention(asked: WhichRetention) -> KeptFor:
    project = require_project(asked.project, "admin")
    setting = runtime().settings.retention_days
    days = asked.days or setting
    kept_us = first_kept_us(days)
    if kept_us is None:
        return KeptFor(retention_days=setting, days=None, kept_from=None, events=0, bytes=0, oldest=None)
    kept_from = clock.from_us(kept_us)
    with runtime().database.read() as session:
        files: Any = session.execute(
            sa.select(sa.func.sum(Segment.rows), sa.func.sum(Segment.bytes), sa.func.min(Segment.day)).where(
                Segment.project_id == project.id, Segment.state == LIVE, Segment.day < kept_from.date()
            )
        ).one()
        # of batches that are in no file yet, which are those of some minutes
        fresh: Any = session.execute(
            sa.select(sa.func.count(), sa.func.min(Event.occurred_at))
            .join(Batch, Batch.id == Event.batch_id)
            .where(Batch.project_id == project.id, Batch.segment_id.is_(None), Event.occurred_at < kept_from)
        ).one()
    rows, size, oldest = files
    count, first = fresh
    days_found: list[date] = [day for day in (oldest, first and first.date()) if day is not None]
    return KeptFor(
        retention_days=setting,
        days=days,
        kept_from=kept_from.date().isoformat(),
        events=int(rows or 0) + count,
        bytes=int(size or 0),
        oldest=min(days_found).isoformat() if days_found else None,
    )


def _job_states(session: Session, project_id: int) -> dict[str, ErasureState]:
    words: dict[str, ErasureState] = {PENDING: "waiting", RUNNING: "running", FAILED: "failed"}
    query = sa.select(Job.args, Job.state).where(Job.state.in_(words), Job.kind == ERASE, Job.project_id == project_id)
    return {str(args.get("erasure_id")): words[state] for args, state in session.execute(query)}
