"""Clocks that differ: leases, ages of batches and schedules are times that one process writes and another one compares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.presence import WebProcess
from quadra.health.context import Beat, CheckContext
from quadra.health.verdict import DEGRADED, Found, check, degraded, healthy
from quadra.jobs.tables import WorkerRow

DATABASE = "the database"
SILENT = timedelta(minutes=1)
"""A heartbeat that has not moved for so long is of a process that ended, perhaps."""
TIMES = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}


@check("machine", worst=DEGRADED)
def clocks(context: CheckContext) -> Found:
    """The clocks of the database, of workers and of web processes against this process's own."""
    with context.runtime.database.read() as session:
        apart = _database(session, context.runtime.database.dialect)
        asked = clock.now()
        beats = {
            f"worker {name}": at for name, at in session.execute(sa.select(WorkerRow.name, WorkerRow.heartbeat_at))
        }
        web = session.execute(sa.select(WebProcess.name, WebProcess.heartbeat_at))
        beats |= {f"web process {name}": at for name, at in web}
    context.beats = heard(context.beats, beats, asked, clock.now())
    apart |= {name: beat.apart for name, beat in context.beats.items() if asked - beat.moved_at < SILENT}
    seconds = {name: round(one.total_seconds(), 1) for name, one in apart.items()}
    wrong = {
        name: by
        for name, by in seconds.items()
        if abs(by) >= context.runtime.settings.health_clock_warn.total_seconds()
    }
    if not wrong:
        return healthy("No clock is known to differ.", seconds=seconds)
    differing = ", ".join(f"{name} by {abs(by):g} s {'ahead' if by > 0 else 'behind'}" for name, by in wrong.items())
    return degraded(
        f"Clocks differ from this process's: {differing}, at least. Have every machine keep time by NTP: jobs are taken "
        "from workers that live, and batches are sealed too early or too late.",
        seconds=seconds,
    )


def heard(
    before: Mapping[str, Beat], beats: Mapping[str, datetime], asked: datetime, answered: datetime
) -> dict[str, Beat]:
    """What is known of each clock now. `beats` are the newest heartbeats, each by the clock of its own process; they were
    asked for at `asked` and known at `answered`, by our clock.

    A heartbeat that moved since the last look was made between that look and this one, whatever its clock says. One that
    is seen for the first time may be old, so only a time that has not come yet tells something.
    """
    known = {}
    for name, at in beats.items():
        last = before.get(name)
        if last is None:
            known[name] = Beat(at, asked, answered, outside(at, at, answered))
        elif last.at == at:
            known[name] = Beat(at, asked, last.moved_at, last.apart)
        else:
            known[name] = Beat(at, asked, answered, outside(at, last.looked_at, answered))
    return known


def outside(at: datetime, earliest: datetime, latest: datetime) -> timedelta:
    """How far a time lies after (+) or before (-) the span in which it was taken."""
    return max(at - latest, timedelta()) + min(at - earliest, timedelta())


def _database(session: Session, dialect: str) -> dict[str, timedelta]:
    """SQLite has no clock of its own."""
    if dialect not in TIMES:
        return {}
    session.connection()  # connecting may take seconds
    asked = clock.now()
    there: datetime = session.execute(sa.text(TIMES[dialect])).scalar_one()
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    return {DATABASE: outside(there, asked, clock.now())}
