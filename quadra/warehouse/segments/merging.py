"""Merging: the small files of a day become one. Which ones is decided so that a row is rewritten a few times in its life,
however often events for its day still come in.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, timedelta

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.lease import Lease
from quadra.warehouse.query.engine import Warehouse, warehouse_of
from quadra.warehouse.segments.pieces import of_files
from quadra.warehouse.segments.publishing import StaleRead, replace
from quadra.warehouse.segments.verifying import require_sound
from quadra.warehouse.segments.writing import Written, files, write
from quadra.warehouse.tables import LIVE, Segment

logger = logging.getLogger(__name__)

FAN_IN = 4
"""So many files of about one size are merged; the sizes grow by this factor too."""
SMALLEST_TIER_ROWS = 1_000
QUIET = timedelta(hours=6)
"""A day that is over and got no new file for so long is merged into one."""


def find_days(session: Session, *, rows_most: int) -> list[tuple[int, date]]:
    """The days (project id, day) that have something to merge."""
    several = (
        sa.select(Segment.project_id, Segment.day)
        .where(Segment.state == LIVE)
        .group_by(Segment.project_id, Segment.day)
        .having(sa.func.count() > 1)
    )
    days = session.execute(several).all()
    return [(project_id, day) for project_id, day in days if choose(_of_day(session, project_id, day), rows_most)]


def choose(segments: Sequence[Segment], rows_most: int) -> list[Segment]:
    """Which files of one day to merge now; none or at least two."""
    small = sorted((segment for segment in segments if segment.rows < rows_most), key=lambda one: (one.rows, one.id))
    if len(small) < 2:
        return []
    if _is_over(small[0].day) and max(segment.created_at for segment in small) < clock.now() - QUIET:
        return _fitting(small, rows_most)
    tiers: defaultdict[int, list[Segment]] = defaultdict(list)
    for segment in small:
        tiers[_tier(segment.rows)].append(segment)
    full = [tier for tier, members in tiers.items() if len(members) >= FAN_IN]
    # with all that is smaller: it costs little beside the rest
    return _fitting([segment for segment in small if _tier(segment.rows) <= max(full)], rows_most) if full else []


def merge_day(runtime: Runtime, lease: Lease) -> None:
    """The job: args `day`."""
    if lease.job.project_id is None:
        raise Permanent("A merge is of one project.")
    merge_some(runtime, lease.job.project_id, date.fromisoformat(str(lease.job.args["day"])), lease)
    pa.default_memory_pool().release_unused()


def merge_some(runtime: Runtime, project_id: int, day: date, lease: Lease | None = None) -> int:
    """Merge what is due of a day; how many files went. Raises `StaleRead`, `Damaged`, `LeaseLost`, `Unavailable`."""
    with runtime.database.read() as session:
        chosen = choose(_of_day(session, project_id, day), runtime.settings.segment_rows)
    if not chosen:
        return 0
    warehouse = warehouse_of(runtime)
    require_sound(warehouse, chosen)
    written = _write(warehouse, chosen)
    try:
        with runtime.database.begin() as session:
            if lease is not None:
                lease.hold(session)
            replace(session, [segment.id for segment in chosen], [written])
    except (StaleRead, LeaseLost):
        warehouse.store.remove(written.segment.path)
        raise
    facts = {"project_id": project_id, "day": day.isoformat(), "files": len(chosen), "rows": written.segment.rows}
    logger.info("warehouse.segments.merged", extra=facts)
    return len(chosen)


def _write(warehouse: Warehouse, chosen: Sequence[Segment]) -> Written:
    paths = warehouse.store.ready([segment.path for segment in chosen])
    project_id, day = chosen[0].project_id, chosen[0].day
    people = warehouse.identity_map(project_id)
    rows = of_files(paths, people)
    with closing(warehouse.cursor()) as cursor:
        return write(cursor, warehouse.store, files(paths), people=people, project_id=project_id, day=day, pieces=rows)


def _of_day(session: Session, project_id: int, day: date) -> list[Segment]:
    here = sa.and_(Segment.project_id == project_id, Segment.state == LIVE, Segment.day == day)
    return list(session.scalars(sa.select(Segment).where(here)))


def _fitting(segments: Sequence[Segment], rows_most: int) -> list[Segment]:
    taken: list[Segment] = []
    rows = 0
    for segment in segments:
        if rows + segment.rows > rows_most:
            break
        taken.append(segment)
        rows += segment.rows
    return taken if len(taken) > 1 else []


def _tier(rows: int) -> int:
    tier = 0
    while rows >= SMALLEST_TIER_ROWS:
        rows //= FAN_IN
        tier += 1
    return tier


def _is_over(day: date) -> bool:
    """Its last hour is an hour ago: compactions of it may still come, but few."""
    now: datetime = clock.now() - timedelta(hours=1)
    return day < now.date()
