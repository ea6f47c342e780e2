"""What people and metrics ask about the queue. Reads only."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import InstrumentedAttribute, Session

from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.core.paging import Paged
from quadra.jobs.states import FAILED, PENDING, RUNNING, SUCCESS
from quadra.jobs.tables import Job, WorkerRow

HOUR = timedelta(hours=1)
SEARCHED = 20_000
"""Jobs whose texts a search reads: no index helps it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, newest first, and how to get the next ones."""

    jobs: list[Job]
    total: int
    cursor: str | None
    """None on the last page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a list is about; None is all."""

    state: str | None = None
    kind: str | None = None
    batch_id: str | None = None
    projects: Collection[int] | None = None
    search: str = ""
    """In arguments and errors, of the newest `SEARCHED` that fit the rest."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        pairs = ((Job.state, self.state), (Job.kind, self.kind), (Job.batch_id, self.batch_id))
        found: list[sa.ColumnElement[bool]] = [column == value for column, value in pairs if value is not None]
        if self.projects is not None:
            found.append(Job.project_id.in_(self.projects))
        if self.search:
            found.append(_holds(self.search, found))
        return found


def list_jobs(session: Session, wanted: Wanted, paged: Paged) -> Page:
    """By when they were made. Raises `Invalid` for a cursor that is none."""
    return _page(session, wanted, Job.created_at, paged)


def list_dead_letters(session: Session, wanted: Wanted, paged: Paged) -> Page:
    """By when they died. Raises `Invalid` for a cursor that is none."""
    dead = replace(wanted, state=FAILED)
    return _page(session, dead, Job.finished_at, paged)


class JobNumbers(Struct):
    pending: int
    running: int
    success_last_hour: int
    failed_last_hour: int
    oldest_pending_age_seconds: float | None


def job_stats(session: Session, *, projects: Collection[int] | None = None) -> JobNumbers:
    """How the queue stands."""
    at, ours = clock.now(), Wanted(projects=projects).conditions()
    oldest = session.scalar(sa.select(sa.func.min(Job.created_at)).where(Job.state == PENDING, *ours))
    return JobNumbers(
        pending=_count(session, Job.state == PENDING, *ours),
        running=_count(session, Job.state == RUNNING, *ours),
        success_last_hour=_count(session, Job.state == SUCCESS, Job.finished_at >= at - HOUR, *ours),
        failed_last_hour=_count(session, Job.state == FAILED, Job.finished_at >= at - HOUR, *ours),
        oldest_pending_age_seconds=None if oldest is None else round((at - oldest).total_seconds(), 3),
    )


def claim_latency_ms(session: Session, *, projects: Collection[int] | None = None) -> float | None:
    """How long jobs of the last hour waited for a worker, on average; None where there were none."""
    waited = sa.type_coerce(Job.started_at, sa.BigInteger) - sa.type_coerce(Job.available_at, sa.BigInteger)
    done = sa.and_(Job.state == SUCCESS, Job.finished_at >= clock.now() - HOUR, *Wanted(projects=projects).conditions())
    return _ms(session.scalar(sa.select(sa.func.avg(waited)).where(done)))


def dead_letter_stats(session: Session, *, projects: Collection[int] | None = None) -> dict[str, int]:
    ours = Wanted(projects=projects).conditions()
    return {
        "total": _count(session, Job.state == FAILED, *ours),
        "last_24_hours": _count(session, Job.state == FAILED, Job.finished_at >= clock.now() - 24 * HOUR, *ours),
    }


def known_kinds(session: Session) -> list[str]:
    """What workers that are alive do, and what there are jobs of."""
    of_workers = {kind for row in list_workers(session) for kind in row.kinds}
    return sorted({*of_workers, *session.scalars(sa.select(Job.kind).distinct())})


def list_workers(session: Session) -> list[WorkerRow]:
    """The workers that are alive, the oldest first."""
    return list(session.scalars(sa.select(WorkerRow).order_by(WorkerRow.started_at, WorkerRow.name)))


def _holds(text: str, others: Collection[sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """Whether arguments or errors hold `text`, ignoring case. Ids are in the order of time, so the newest ones are read."""
    places = (sa.cast(Job.args, sa.Text), Job.last_error, sa.cast(Job.error_context, sa.Text))
    columns: list[Any] = [Job.id, *(place.label(f"place_{at}") for at, place in enumerate(places))]
    newest = sa.select(*columns)
    newest_ones = newest.where(*others).order_by(Job.id.desc()).limit(SEARCHED).subquery()
    # JSON is kept as text in which letters beyond ASCII are escaped
    needles = {text.lower(), json.dumps(text)[1:-1].lower()}
    hits = [
        sa.func.lower(newest_ones.c[f"place_{at}"]).contains(needle, autoescape=True)
        for at in range(len(places))
        for needle in sorted(needles)
    ]
    return Job.id.in_(sa.select(newest_ones.c.id).where(sa.or_(*hits)))


def _page(
    session: Session,
    wanted: Wanted,
    order: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    paged: Paged,
) -> Page:
    conditions = wanted.conditions()
    total = _count(session, *conditions)
    query = sa.select(Job).where(*conditions)
    if paged.cursor is not None:
        at, job_id = _read(paged.cursor)
        query = query.where(sa.or_(order < at, sa.and_(order == at, Job.id < job_id)))
    rows = list(
        session.scalars(
            query.order_by(order.desc(), Job.id.desc()).offset((paged.page - 1) * paged.limit).limit(paged.limit + 1)
        )
    )
    more = len(rows) > paged.limit
    rows = rows[: paged.limit]
    last = getattr(rows[-1], order.key) if rows else None
    return Page(rows, total, f"{clock.to_us(last)}.{rows[-1].id}" if more and last else None)


def _read(cursor: str) -> tuple[datetime, str]:
    us, _, job_id = cursor.partition(".")
    if not (us.isascii() and us.isdigit() and len(us) < 18 and job_id):
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "the one of the page before"})
    return clock.from_us(int(us)), job_id


def _count(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(Job).where(*conditions)) or 0


def _ms(us: Any) -> float | None:
    return None if us is None else round(float(us) / 1000, 3)
