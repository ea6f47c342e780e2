"""Removes what is no longer read: history beyond the retention, files that were replaced, files that a process which
died left unlisted, and what DuckDB had spilled for it.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime
from quadra.jobs.tables import rows_hit
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.catalogue import first_kept_us
from quadra.warehouse.tables import LIVE, RETIRED, Segment

logger = logging.getLogger(__name__)

ORPHAN_SECONDS = 3_600.0
"""A file that is listed nowhere and was not written to for so long: it will never be listed (see `writing.Written.stale`)."""
SPILL_SECONDS = 86_400.0
AT_ONCE = 500


def retire_expired(runtime: Runtime) -> int:
    """Segments that lie wholly before the retention are read no more; how many. Questions stopped at midnight already."""
    kept_us = first_kept_us(runtime.settings.retention_days)
    if kept_us is None:
        return 0
    with runtime.database.begin() as session:
        over = sa.and_(Segment.state == LIVE, Segment.max_occurred_at < clock.from_us(kept_us))
        ids = session.scalars(sa.select(Segment.id).where(over).with_for_update(skip_locked=True)).all()
        values = {"state": RETIRED, "retired_at": clock.now()}
        gone = rows_hit(session, sa.update(Segment).where(Segment.id.in_(ids)).values(values)) if ids else 0
    if gone:
        logger.info("warehouse.segments.expired", extra={"segments": gone})
    return gone


def remove_retired(runtime: Runtime, *, grace: timedelta | None = None) -> int:
    """Delete files that were replaced longer ago than the grace: a question may have had them open; how many."""
    store = warehouse_of(runtime).store
    before = clock.now() - (runtime.settings.segment_grace if grace is None else grace)
    over = sa.and_(Segment.state == RETIRED, Segment.retired_at < before)
    with runtime.database.read() as session:
        found = session.execute(sa.select(Segment.id, Segment.path).where(over).limit(AT_ONCE)).all()
    removed = 0
    for segment_id, path in found:
        store.remove(path)  # first: were it listed no more and still there, it would only be an orphan
        with runtime.database.begin() as session:
            removed += delete_free(session, Segment, sa.and_(Segment.id == segment_id, Segment.state == RETIRED))
    return removed


def remove_orphans(runtime: Runtime, *, older_than_seconds: float = ORPHAN_SECONDS) -> list[str]:
    """Delete files that no row names; which."""
    store = warehouse_of(runtime).store
    old = list(store.older_than(older_than_seconds))
    orphans: list[str] = []
    for at in range(0, len(old), AT_ONCE):
        chunk = old[at : at + AT_ONCE]
        with runtime.database.read() as session:
            known = set(session.scalars(sa.select(Segment.path).where(Segment.path.in_(chunk))))
        orphans += [path for path in chunk if path not in known]
    for path in orphans:
        store.remove(path)
        logger.info("warehouse.orphan.removed", extra={"path": path})
    return orphans


def remove_spill(runtime: Runtime) -> None:
    """What DuckDB wrote aside for questions of processes that were killed."""
    before = time.time() - SPILL_SECONDS
    for path in Path(runtime.settings.data_dir / "spill").glob("*"):
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def sweep(runtime: Runtime) -> None:
    retire_expired(runtime)
    while remove_retired(runtime) == AT_ONCE:
        pass
    remove_orphans(runtime)
    remove_spill(runtime)
