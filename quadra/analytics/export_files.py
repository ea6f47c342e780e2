"""Exported files and their rows: where they lie, how many there may be, how long they are kept, and what an erasure does.

A file that no row names is one of an attempt that had no effect, or that was killed: it is never offered, and goes by itself.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.analytics.tables import ExportedFile
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.jobs import cancelling
from quadra.jobs.lease import Lease
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job, rows_hit

logger = logging.getLogger(__name__)

EXPORT = "export"
"""The kind of job that makes one file."""
PRIORITY = 30
FILES_MOST = 20
"""Of a project: the oldest goes when another one is asked for."""
UNFINISHED_MOST = 3
ORPHAN_SECONDS = 7_200.0
"""An attempt that still runs writes to its file: it is younger."""
MEGABYTE = 2**20


def directory(settings: Settings) -> Path:
    return settings.data_dir / "exports"


def kept_until(settings: Settings, row: ExportedFile) -> datetime:
    return row.created_at + timedelta(days=settings.export_keep_days)


def lacking_mb(settings: Settings) -> int:
    """How much room the disk lacks for a file to grow; 0 where there is enough."""
    free = shutil.disk_usage(settings.data_dir).free // MEGABYTE
    return max(0, settings.export_free_mb - free)


def make_room(session: Session, settings: Settings, project_id: int) -> list[str]:
    """For one more file of the project: the files that are to be removed after the commit.

    Raises `Conflict` where as many are being made as may be.
    """
    mine = sa.select(ExportedFile).where(ExportedFile.project_id == project_id).order_by(ExportedFile.id.desc())
    rows = session.scalars(mine).all()
    working = sa.select(sa.func.count()).where(Job.id.in_([row.job_id for row in rows]), Job.state.in_(UNFINISHED))
    if (session.scalar(working) or 0) >= UNFINISHED_MOST:
        raise Conflict(f"{UNFINISHED_MOST} exports of this project are not done yet. Wait for one, or cancel one.")
    return [name for row in rows[FILES_MOST - 1 :] for name in delete(session, row)]


def delete(session: Session, row: ExportedFile) -> list[str]:
    """With its job, where that has not ended; the file to be removed after the commit."""
    job = session.get(Job, row.job_id)
    if job is not None and job.state in UNFINISHED:
        cancelling.cancel(session, job.id, reason="the export was deleted")
    rows_hit(session, sa.delete(ExportedFile).where(ExportedFile.id == row.id))
    return [row.file] if row.file else []


def remove(settings: Settings, names: Sequence[str]) -> None:
    for name in names:
        (directory(settings) / name).unlink(missing_ok=True)


def forget(runtime: Runtime, lease: Lease, project_id: int) -> None:
    """A person of the project is being erased: files that were made before go, and attempts that began before have no effect.

    Both by the rows alone, which an attempt that ends this moment has locked, or waits for. What an attempt after this reads
    leaves the person out: the wish is stored.
    """
    of_project = ExportedFile.project_id == project_id
    with runtime.database.begin() as session:
        lease.hold(session)
        rows_hit(session, sa.update(ExportedFile).where(of_project).values(erasures=ExportedFile.erasures + 1))
        made = sa.and_(of_project, ExportedFile.done_at.is_not(None), ExportedFile.erased_at.is_(None))
        rows_hit(session, sa.update(ExportedFile).where(made).values(erased_at=clock.now()))
        # those of an earlier attempt of this job too, which was killed before it came to the files
        gone = sa.select(ExportedFile.file).where(of_project, ExportedFile.erased_at.is_not(None))
        names = [name for name in session.scalars(gone) if name]
    remove(runtime.settings, names)


def tidy(runtime: Runtime) -> None:
    """Rows that are old enough, and files that no row offers."""
    settings = runtime.settings
    before = clock.now() - timedelta(days=settings.export_keep_days)
    with runtime.database.read() as session:
        old = session.scalars(sa.select(ExportedFile.id).where(ExportedFile.created_at < before)).all()
    for export_id in old:
        with runtime.database.begin() as session:
            row = session.get(ExportedFile, export_id)
            names = [] if row is None else delete(session, row)
        remove(settings, names)
    offered = sa.and_(ExportedFile.done_at.is_not(None), ExportedFile.erased_at.is_(None))
    found = [path for path in directory(settings).glob("*") if _age_seconds(path) > ORPHAN_SECONDS]
    if not found:
        return
    with runtime.database.read() as session:
        known = set(session.scalars(sa.select(ExportedFile.file).where(offered)))
    orphans = [path.name for path in found if path.name not in known]
    remove(settings, orphans)
    if orphans:
        logger.info("analytics.exports.tidied", extra={"files": len(orphans)})


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # another worker was quicker
        return 0.0
