"""Claim due jobs: the only place where a job becomes RUNNING. Only the worker that gets a row back owns it. A kind that
is paused is not claimed by any statement that begins after the pause was stored.

One statement in each database, so there is no moment between looking and taking: PostgreSQL locks what it picks and skips
what others have locked, MariaDB does the same in several statements of a transaction, and SQLite has one writer at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.database import Instant
from quadra.core.ids import uuid7
from quadra.jobs.lease import Claimed
from quadra.jobs.states import PENDING, RUNNING
from quadra.jobs.tables import Job, PausedKind

COLUMNS = (
    Job.id,
    Job.kind,
    Job.args,
    Job.project_id,
    Job.batch_id,
    Job.priority,
    Job.attempt,
    Job.max_attempts,
    Job.trigger,
    Job.available_at,
    Job.started_at,
    Job.error_context,
)


class Wanted(NamedTuple):
    """What is claimed. Statements are made once for each: making one took longer than the database needs for it."""

    kinds: frozenset[str]
    fresh: bool


MADE = 256
"""Statements that are kept: there is one for each set of kinds that were due together."""

NOT_PAUSED = Job.kind.not_in(sa.select(PausedKind.kind))


def claim(
    session: Session, *, worker: str, kinds: Collection[str], limit: int, length: timedelta, fresh: bool = False
) -> list[Claimed]:
    """At most `limit` due jobs of these kinds, by priority, then by time; each with its attempt taken and a lease. `fresh`:
    only those that were never tried.
    """
    at = clock.now()
    # one token for what is claimed together: it is only ever looked at beside the job's id
    token = uuid7()
    given = {"at": at, "most": limit, "token": token, "worker": worker, "until": at + length}
    if not kinds:
        return []
    rows = CLAIMS[session.connection().dialect.name](session.connection(), Wanted(frozenset(kinds), fresh), given)
    jobs = [Claimed(*(*row, token, worker)) for row in rows]
    return sorted(jobs, key=lambda job: (job.priority, job.available_at, job.id))


def seconds_until_due(session: Session, *, kinds: Collection[str]) -> dict[str, float]:
    """Kind -> when the next job of it may be claimed, 0 for now. Left out where none waits. One look into an index a kind."""
    if not kinds:
        return {}
    now, connection = clock.now_us(), session.connection()
    found = connection.exec_driver_sql(_first_due(frozenset(kinds), connection.dialect))
    return {kind: max(0.0, (at - now) / 1e6) for kind, at in found}


@lru_cache(maxsize=MADE)
def _first_due(kinds: frozenset[str], dialect: sa.Dialect) -> str:
    """As text, made once: workers look all the time, and to look it up as a statement took longer than the look."""
    each = (sa.select(sa.literal(kind).label("kind"), _first_of(kind).label("at")) for kind in sorted(kinds))
    first = sa.union_all(*each).subquery()
    query = sa.select(first.c.kind, first.c.at).where(
        first.c.at.is_not(None), first.c.kind.not_in(sa.select(PausedKind.kind))
    )
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _first_of(kind: str) -> sa.ScalarSelect[datetime]:
    """Not `min`: in a union SQLite reads all entries of the index for it."""
    waiting = sa.select(Job.available_at).where(Job.state == PENDING, Job.kind == kind)
    return waiting.order_by(Job.available_at).limit(1).scalar_subquery()


TAKEN = sa.update(Job).values(
    state=RUNNING,
    attempt=Job.attempt + 1,
    lease_token=sa.bindparam("token"),
    leased_by=sa.bindparam("worker"),
    lease_expires_at=sa.bindparam("until"),
    started_at=sa.bindparam("at"),
    updated_at=sa.bindparam("at"),
)


def _due_of(kind: str, *, fresh: bool) -> sa.Select[str, int, datetime]:
    """The first entries of an index, whatever else waits: of other kinds, paused ones among them, there may be a million."""
    return (
        sa.select(Job.id, Job.priority, Job.available_at)
        .where(
            Job.state == PENDING,
            Job.available_at <= sa.bindparam("at", type_=Instant()),
            Job.kind == kind,
            NOT_PAUSED,
            *([Job.attempt == 0] if fresh else []),
        )
        .order_by(Job.priority, Job.available_at, Job.id)
        .limit(sa.bindparam("most", type_=sa.Integer()))
    )


def _due(wanted: Wanted, *, locked: bool) -> sa.Select[str]:
    """The first of the first of each kind. Where they are locked, those that are left over are free again at the commit."""
    each = [_due_of(kind, fresh=wanted.fresh) for kind in sorted(wanted.kinds)]
    locking = [one.with_for_update(skip_locked=True) for one in each] if locked else each
    found = sa.union_all(*(sa.select(one.subquery()) for one in locking)).subquery()
    order = (found.c.priority, found.c.available_at, found.c.id)
    return sa.select(found.c.id).order_by(*order).limit(sa.bindparam("most", type_=sa.Integer()))


@lru_cache(maxsize=MADE)
def _taken_on_postgresql(wanted: Wanted) -> Any:
    locked = _due(wanted, locked=True).cte("due")
    return TAKEN.where(Job.id == locked.c.id).returning(*COLUMNS)


@lru_cache(maxsize=MADE)
def _taken_on_sqlite(wanted: Wanted) -> Any:
    # by their ids alone: with the state beside them SQLite goes through everything that waits
    return TAKEN.where(Job.id.in_(_due(wanted, locked=False))).returning(*COLUMNS)


@lru_cache(maxsize=MADE)
def _due_on_mysql(kind: str, fresh: bool) -> Any:
    # the index gives the order; sorting would lock every due row, and other workers would skip them all
    return _due_of(kind, fresh=fresh).with_hint(Job, "FORCE INDEX (ix_job_claim)").with_for_update(skip_locked=True)


def _on_postgresql(connection: sa.Connection, wanted: Wanted, given: dict[str, Any]) -> list[Any]:
    return list(connection.execute(_taken_on_postgresql(wanted), given))


def _on_sqlite(connection: sa.Connection, wanted: Wanted, given: dict[str, Any]) -> list[Any]:
    return list(connection.execute(_taken_on_sqlite(wanted), given))


def _on_mysql(connection: sa.Connection, wanted: Wanted, given: dict[str, Any]) -> list[Any]:
    found = [
        row for kind in sorted(wanted.kinds) for row in connection.execute(_due_on_mysql(kind, wanted.fresh), given)
    ]
    found.sort(key=lambda row: (row.priority, row.available_at, row.id))
    ids = [row.id for row in found[: given["most"]]]
    if not ids:
        return []
    connection.execute(TAKEN.where(Job.id.in_(ids)), given)
    return list(connection.execute(sa.select(*COLUMNS).where(Job.id.in_(ids))))


CLAIMS = {"postgresql": _on_postgresql, "sqlite": _on_sqlite, "mysql": _on_mysql, "mariadb": _on_mysql}
