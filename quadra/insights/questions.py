"""What people and metrics ask about batches and insights. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.core.paging import Paged
from quadra.ingest.tables import BATCH_STATES, Batch
from quadra.insights.answers import AnalystNumbers, BatchNumbers, InsightNumbers, Performance
from quadra.insights.answers import Insight as Shown
from quadra.insights.tables import Insight
from quadra.jobs.handlers import DELIVERY
from quadra.jobs.questions import claim_latency_ms
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job

HOUR = timedelta(hours=1)
T = TypeVar("T", Batch, Insight)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, newest first, and how to get the next ones."""

    rows: list[T]
    total: int
    cursor: str | None
    """None on the last page."""


def list_insights(
    session: Session, paging: Paged, *, projects: Collection[int] | None, batch_id: str | None, analyst: str | None
) -> Page[Insight]:
    """Raises `Invalid` for a cursor that is none."""
    pairs = ((Insight.batch_id, batch_id), (Insight.analyst, analyst))
    wanted = [column == value for column, value in pairs if value is not None]
    if projects is not None:
        wanted.append(Insight.project_id.in_(projects))
    return _page(session, Insight, Insight.created_at, wanted, paging)


def list_batches(
    session: Session, paging: Paged, *, projects: Collection[int] | None, status: str | None
) -> Page[Batch]:
    """Raises `Invalid` for a cursor that is none."""
    wanted = [] if status is None else [Batch.status == status]
    if projects is not None:
        wanted.append(Batch.project_id.in_(projects))
    return _page(session, Batch, Batch.opened_at, wanted, paging)


def analysis_jobs(session: Session, batch_ids: Collection[str], *, kind: str) -> dict[str, Job]:
    """The newest job of this kind of each batch that has one."""
    query = sa.select(Job).where(Job.batch_id.in_(batch_ids), Job.kind == kind).order_by(Job.id)
    return {str(job.batch_id): job for job in session.scalars(query)}


def batch_stats(session: Session, *, projects: Collection[int] | None = None) -> BatchNumbers:
    """How many batches are in each state, and how long the oldest has been open."""
    query = sa.select(Batch.status, sa.func.count(), sa.func.min(Batch.opened_at)).group_by(Batch.status)
    if projects is not None:
        query = query.where(Batch.project_id.in_(projects))
    found = {status: (number, oldest) for status, number, oldest in session.execute(query)}
    counts = {status.lower(): found.get(status, (0, None))[0] for status in BATCH_STATES}
    oldest = found.get("OPEN", (0, None))[1]
    age = None if oldest is None else round((clock.now() - oldest).total_seconds(), 3)
    return BatchNumbers(**counts, oldest_open_age_seconds=age)


def performance(session: Session, *, projects: Collection[int] | None = None) -> Performance:
    """How long local analyses took in the last hour, and how large batches were; None where there were none."""
    recent = sa.and_(Insight.analyst == "local", Insight.created_at >= clock.now() - HOUR)
    if projects is not None:
        recent = sa.and_(recent, Insight.project_id.in_(projects))
    query = sa.select(sa.func.count(), sa.func.avg(Insight.analysis_ms), sa.func.avg(Insight.event_count)).where(recent)
    count, mean, size = session.execute(query).one()
    p95 = None
    if count:
        ordered = sa.select(Insight.analysis_ms).where(recent).order_by(Insight.analysis_ms)
        p95 = session.scalar(ordered.offset(int(count * 0.95)).limit(1))
    return Performance(
        avg_analysis_time_ms=_round(mean),
        p95_analysis_time_ms=_round(p95),
        avg_batch_size=_round(size),
        claim_latency_ms=claim_latency_ms(session, projects=projects),
    )


def insight_stats(session: Session, *, project_id: int, latest: list[Shown]) -> InsightNumbers:
    query = sa.select(Insight.analyst, sa.func.count(), sa.func.sum(Insight.cost_usd), sa.func.sum(Insight.tokens))
    rows = session.execute(query.where(Insight.project_id == project_id).group_by(Insight.analyst)).all()
    by_analyst = {
        analyst: AnalystNumbers(count=count, cost_usd=float(cost or 0), tokens=int(tokens or 0))
        for analyst, count, cost, tokens in rows
    }
    return InsightNumbers(total=sum(row[1] for row in rows), by_analyst=by_analyst, latest=latest)


def stored_events(session: Session, *, project_id: int) -> int:
    """By the counts of the batches: cheap at any size."""
    counted = sa.select(sa.func.sum(Batch.event_count)).where(Batch.project_id == project_id)
    return int(session.scalar(counted) or 0)


def open_batches(session: Session, *, project_id: int) -> list[str]:
    open_ = sa.select(Batch.id).where(Batch.project_id == project_id, Batch.status == "OPEN")
    return list(session.scalars(open_.order_by(Batch.id)))


def unfinished_jobs(session: Session, *, project_id: int) -> list[tuple[str, datetime, str]]:
    """(kind, when it may be claimed, state) of the jobs that batches of a project still wait for."""
    theirs = sa.or_(Job.batch_id.is_not(None), Job.kind.startswith(DELIVERY, autoescape=True))
    mine = sa.and_(Job.project_id == project_id, theirs, Job.state.in_(UNFINISHED))
    return [
        (kind, at, state)
        for kind, at, state in session.execute(sa.select(Job.kind, Job.available_at, Job.state).where(mine))
    ]


def _page(
    session: Session,
    table: type[T],
    order: InstrumentedAttribute[datetime],
    wanted: list[sa.ColumnElement[bool]],
    paging: Paged,
) -> Page[T]:
    total = session.scalar(sa.select(sa.func.count()).select_from(table).where(*wanted)) or 0
    query = sa.select(table).where(*wanted)
    if paging.cursor is not None:
        at, row_id = _read(paging.cursor)
        query = query.where(sa.or_(order < at, sa.and_(order == at, table.id < row_id)))
    query = query.order_by(order.desc(), table.id.desc()).offset((paging.page - 1) * paging.limit)
    rows = list(session.scalars(query.limit(paging.limit + 1)))
    more = len(rows) > paging.limit
    rows = rows[: paging.limit]
    cursor = f"{clock.to_us(getattr(rows[-1], order.key))}.{rows[-1].id}" if more else None
    return Page(rows, total, cursor)


def _read(cursor: str) -> tuple[datetime, str]:
    us, _, row_id = cursor.partition(".")
    if not (us.isascii() and us.isdigit() and len(us) < 18 and row_id):
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "the one of the page before"})
    return clock.from_us(int(us)), row_id


def _round(value: Any) -> float | None:
    return None if value is None else round(float(value), 3)
