"""Tell the viewers of a project what moves in its pipeline: batches, jobs, insights, trainings, what the field read.

The database is asked a few times a second for what changed lately, while somebody watches and not otherwise: workers are
other processes, and a change must reach the page whether Redis joins them or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from msgspec import Struct, to_builtins
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Database, Instant
from quadra.field.bodies import Training, training_body
from quadra.field.tables import FieldState, SignalProgress, TrainingRun
from quadra.ingest.tables import Batch
from quadra.insights import answers
from quadra.insights.handlers import ANALYSE
from quadra.insights.questions import analysis_jobs
from quadra.insights.tables import Insight
from quadra.jobs.answers import Job as ShownJob
from quadra.jobs.answers import job_shown
from quadra.jobs.tables import Job

OVERLAP = timedelta(seconds=3)
"""How far back each look reaches: clocks differ, and a change shows only when its transaction has ended."""
AWAKE_SECONDS = 10.0
"""After an event or a piece of news, in which each turn looks; otherwise whole ones do: a look takes eight statements."""
MOST = 100
"""Rows of a kind in one message; a page reloads by itself now and then."""


Standing = tuple[Any, ...]
"""What of a project has no time of its change: its open batches, and how far the field has read."""


@dataclass
class Feed:
    """What one channel was told, so that the overlap tells nothing twice."""

    slug: str
    since: datetime = field(default_factory=clock.now)
    standing: Standing | None = None
    told: dict[str, tuple[Any, datetime]] = field(default_factory=dict)
    """id -> (the state it was told in, when)"""
    seconds: Callable[[], float] = time.monotonic
    _moved_at: float = field(default=float("-inf"), init=False)

    def moved(self) -> None:
        """An event came: its batch will be sealed, analysed and learned."""
        self._moved_at = self.seconds()

    @property
    def awake(self) -> bool:
        return self.seconds() - self._moved_at <= AWAKE_SECONDS

    def news(self, changes: Changes) -> dict[str, dict[str, Any]]:
        """Message name -> payload, for what was not told yet."""
        self.since, self.standing = changes.at, changes.standing
        if changes.none:  # and what was told of open batches is not forgotten
            return {}
        at = clock.now()
        messages = {
            "batch:update": ("batches", self._fresh(changes.batches, "batch_id", ("status", "event_count"), at)),
            "job:update": ("jobs", self._fresh(changes.jobs, "job_id", ("status", "attempt_count", "updated_at"), at)),
            "insight:new": ("insights", self._fresh(changes.insights, "id", ("updated_at",), at)),
            "training_status": (
                "trainings",
                self._fresh(changes.trainings, "training_id", ("status", "iteration"), at),
            ),
            "field:update": ("read", self._fresh(changes.read, "of", ("until",), at)),
        }
        for key in [key for key, (_state, when) in self.told.items() if at - when > 4 * OVERLAP]:
            del self.told[key]
        news = {
            name: {"project": self.slug, what: to_builtins(rows)} for name, (what, rows) in messages.items() if rows
        }
        if news.keys() - {"field:update"}:  # what the field has read leads to nothing
            self.moved()
        return news

    def _fresh(self, rows: Iterable[Struct], key: str, states: tuple[str, ...], at: datetime) -> list[Struct]:
        fresh = []
        for row in rows:
            state, row_id = tuple(getattr(row, name) for name in states), getattr(row, key)
            known = self.told.get(row_id)
            self.told[row_id] = (state, at)
            if known is None or known[0] != state:
                fresh.append(row)
        return fresh


class ReadUntil(Struct):
    """What the field has read."""

    of: Literal["batches", "signals"]
    until: str


@dataclass
class Changes:
    """What one look found, as the REST API shows it."""

    at: datetime
    batches: list[answers.Batch]
    jobs: list[ShownJob]
    insights: list[answers.Insight]
    trainings: list[Training]
    read: list[ReadUntil]
    standing: Standing = ()
    none: bool = False


def _any(table: Any, moment: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(table.project_id == PROJECT, moment > sa.bindparam("after", type_=Instant()))


PROJECT = sa.bindparam("project", type_=sa.Integer())
MOVED = sa.select(
    sa.or_(
        _any(Job, Job.updated_at),
        _any(Insight, Insight.created_at),
        _any(Insight, Insight.updated_at),
        _any(Batch, Batch.opened_at),
        _any(TrainingRun, TrainingRun.updated_at),
    ),
    # of all projects, by an index: a project may have a million batches
    sa.select(sa.func.count()).where(Batch.status == "OPEN").scalar_subquery(),
    sa.select(sa.func.sum(Batch.event_count)).where(Batch.status == "OPEN").scalar_subquery(),
    sa.select(FieldState.updated_at).where(FieldState.project_id == PROJECT).scalar_subquery(),
    sa.select(SignalProgress.until_at).where(SignalProgress.project_id == PROJECT).scalar_subquery(),
)
"""Whether a look can find anything, by one statement; the look takes eight."""


def changes(database: Database, project_id: int, slug: str, since: datetime, before: Standing | None) -> Changes:
    """Everything of the project that may have changed since then. `before`: how it stood at the last look; without it this
    one is not spared. Blocks; runs on a native thread."""
    at = clock.now()
    after = since - OVERLAP
    with database.read() as session:
        moved, *found = session.connection().execute(MOVED, {"project": project_id, "after": after}).one()
        standing = tuple(found)
        if before is not None and not moved and standing == before:
            return Changes(at, [], [], [], [], [], standing, none=True)
        jobs = _some(session, Job, Job.updated_at, Job.project_id == project_id, Job.updated_at > after)
        insights = _some(
            session, Insight, Insight.created_at, Insight.project_id == project_id, Insight.created_at > after
        )
        insights += _some(
            session, Insight, Insight.updated_at, Insight.project_id == project_id, Insight.updated_at > after
        )
        of_jobs = {job.batch_id for job in jobs if job.batch_id}
        batches = _some(
            session,
            Batch,
            Batch.opened_at,
            Batch.project_id == project_id,
            sa.or_(Batch.opened_at > after, Batch.status == "OPEN", Batch.id.in_(of_jobs)),
        )
        analyses = analysis_jobs(session, [batch.id for batch in batches], kind=ANALYSE)
        return Changes(
            at=at,
            batches=[answers.batch_shown(batch, slug, analyses.get(batch.id)) for batch in batches],
            jobs=[job_shown(job, whole=False) for job in jobs],
            insights=[answers.insight_shown(insight, slug) for insight in insights],
            trainings=[training_body(session, run, slug) for run in _trainings(session, project_id, after)],
            read=_read(session, project_id),
            standing=standing,
        )


def _trainings(session: Session, project_id: int, after: datetime) -> list[TrainingRun]:
    return _some(
        session,
        TrainingRun,
        TrainingRun.updated_at,
        TrainingRun.project_id == project_id,
        TrainingRun.updated_at > after,
    )


def _read(session: Session, project_id: int) -> list[ReadUntil]:
    batches = sa.select(FieldState.updated_at).where(FieldState.project_id == project_id)
    signals = sa.select(SignalProgress.until_at).where(SignalProgress.project_id == project_id)
    batches_at, signals_at = session.scalar(batches), session.scalar(signals)
    return [
        *([ReadUntil("batches", clock.iso(batches_at))] if batches_at is not None else ()),
        *([ReadUntil("signals", clock.iso(signals_at))] if signals_at is not None else ()),
    ]


def _some(session: Session, table: Any, newest: Any, *conditions: Any) -> list[Any]:
    return list(session.scalars(sa.select(table).where(*conditions).order_by(newest.desc()).limit(MOST)))
