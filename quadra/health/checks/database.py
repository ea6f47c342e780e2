"""The database: it answers, it takes writes, it has room for more, and it has the tables of this version."""

from __future__ import annotations

import time

import sqlalchemy as sa

from quadra.backup.dumps.sqlite import file_of
from quadra.core import migrate
from quadra.core.database import POOL_OVERFLOW
from quadra.core.database_errors import why
from quadra.health.context import CheckContext
from quadra.health.readiness import write_mark
from quadra.health.verdict import DEGRADED, UNHEALTHY, Found, check, degraded, graded, healthy, unhealthy


@check("ingest")
def database(context: CheckContext) -> Found:
    """A round trip."""
    settings = context.runtime.settings
    began = time.monotonic()
    context.runtime.database.ping()
    ms = _since(began)
    status = graded(ms, _ms(settings.health_database_warn), _ms(settings.health_database_fail))
    said = {DEGRADED: "It answers slowly", UNHEALTHY: "It answers much too slowly"}.get(status, "It answers")
    return Found(status, f"{said}: {ms:g} ms.", {"latency_ms": ms, "kind": context.runtime.database.dialect})


@check("ingest")
def database_write(context: CheckContext) -> Found:
    """A row that is really written and committed, and gone again; and what became of the last events, where they came in here."""
    settings = context.runtime.settings
    if (refusal := context.runtime.database.refusal()) is not None:
        return unhealthy(f"Events are refused. {why(refusal)}")
    began = time.monotonic()
    write_mark(context.runtime.database)
    ms = _since(began)
    status = graded(ms, _ms(settings.health_write_warn), _ms(settings.health_write_fail))
    said = {DEGRADED: "Writing is slow", UNHEALTHY: "Writing is much too slow"}.get(status, "It takes writes")
    return Found(status, f"{said}: {ms:g} ms.", {"latency_ms": ms})


@check("ingest")
def connection_pool(context: CheckContext) -> Found | None:
    """How many of this process's connections are in use."""
    pool = context.runtime.database.engine.pool
    if not isinstance(pool, sa.QueuePool):
        return None
    most = pool.size() + POOL_OVERFLOW
    used = pool.checkedout()
    percent = round(100 * used / most, 1)
    details = {"in_use": used, "most": most, "percent": percent}
    if used >= most:
        return unhealthy(f"All {most} connections are in use: requests wait for one.", **details)
    if percent >= context.runtime.settings.health_pool_warn:
        return degraded(f"{used} of {most} connections are in use.", **details)
    return healthy(f"{used} of {most} connections are in use.", **details)


@check("ingest", keep_seconds=15)
def migrations(context: CheckContext) -> Found:
    """The tables are those of this version."""
    settings = context.runtime.settings
    if settings.is_sqlite and not (path := file_of(settings.database_url)).exists():
        return unhealthy(f"There is no database at {path}: run `quadra init`, or `quadra recover` where there was one.")
    at, head = migrate.current(context.runtime.database), migrate.head()
    details = {"revision": at, "head": head}
    if at == head:
        return healthy("The database has the tables of this version.", **details)
    if migrate.fits(at, context.runtime.database):
        return healthy(
            f"The database has the tables of a newer version ({at}), which only added to those of this one.", **details
        )
    if at is None:
        return unhealthy("The database is empty: run `quadra init`.", **details)
    return unhealthy(f"The database is at revision {at}, this version needs {head}: run `quadra init`.", **details)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)


def _ms(duration: object) -> float:
    return duration.total_seconds() * 1000  # type: ignore[attr-defined,no-any-return]
