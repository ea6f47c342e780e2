"""When backups are taken without anybody asking. Times are UTC, and each is made up for when the machine was off.

The worker runs this (BACKUP_SCHEDULE), or cron does with the same commands; whoever comes second finds that it is done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from cronsim import CronSim

from quadra.accounts.tables import Project
from quadra.backup.pitr import base_store
from quadra.backup.stores import retention
from quadra.backup.stores.manifest import Damage
from quadra.backup.stores.stores import Kept, Stores
from quadra.backup.take import Busy, models_directory, take
from quadra.backup.verify import verify
from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=10)
"""After a failure."""
BASE, VERIFY, PRUNE = "base", "verify", "prune"


@dataclass(frozen=True, slots=True)
class Entry:
    what: str
    cron: str
    """Minute, hour, day of month, month, day of week."""

    def slot(self, now: datetime) -> datetime:
        """The last time it was due, `now` included."""
        minute_end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return next(CronSim(self.cron, minute_end, reverse=True))


BASES = {"weekly": "0 1 * * 0", "daily": "0 1 * * *"}
"""Cron times of the words that BASE_SCHEDULE takes."""
CONTAINED = {"models": ("models", "full"), "database": ("database", "full"), "full": ("full",)}


def entries(settings: Settings) -> tuple[Entry, ...]:
    """What is due by the clock in this installation. Base backups only where there is a log to replay onto them."""
    base = BASES.get(settings.base_schedule, settings.base_schedule)
    return (
        *((Entry(BASE, base),) if archives(settings) and base != "never" else ()),
        Entry("models", settings.backup_models_at),
        Entry("database", settings.backup_database_at),
        Entry("full", settings.backup_full_at),
        Entry(PRUNE, settings.backup_prune_at),
        Entry(VERIFY, settings.backup_verify_at),
    )


def base_overdue_at(settings: Settings, newest: datetime) -> datetime | None:
    """When two base backups after `newest` count as missed, a day after the second was due; None where none are taken."""
    times = next((entry.cron for entry in entries(settings) if entry.what == BASE), None)
    if times is None:
        return None
    due = CronSim(times, newest)
    return [next(due) for _ in range(2)][-1] + timedelta(days=1)


def archives(settings: Settings) -> bool:
    return settings.wal_archive is not None and settings.database_url.startswith("postgresql")


class Schedule:
    """Of one worker. `tick` does what is due, one after the other."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._began = clock.now()
        self._settled: dict[str, datetime] = {}
        """The slot that is known to be done: the stores, which may be far away, are asked once for each."""
        self._not_before: dict[str, datetime] = {}

    def tick(self, runtime: Runtime) -> None:
        for entry in entries(self._settings):
            slot = entry.slot(clock.now())
            if self._settled.get(entry.what) == slot or clock.now() < self._not_before.get(entry.what, slot):
                continue
            try:
                self._do(runtime, entry.what, slot)
                self._settled[entry.what] = slot
            except Busy as error:  # cron or another worker is at it: look again
                self._not_before[entry.what] = clock.now() + timedelta(minutes=1)
                logger.info("backup.tick.postponed", extra={"kind": entry.what, "reason": error.message})
            except QuadraError as error:
                self._not_before[entry.what] = clock.now() + AGAIN
                logger.error("backup.run.failed", extra={"kind": entry.what, "reason": error.message})

    def _do(self, runtime: Runtime, what: str, slot: datetime) -> None:
        if what == PRUNE:
            if slot > self._began:
                self._prune()
            return
        if what == BASE:
            if base_store.is_due(self._settings, slot):
                base, _ = base_store.take(self._settings, lambda _done, _about: None)
                logger.info("backup.backup.taken", extra={"backup_id": base.id, "bytes": base.bytes})
            return
        kept = Stores(self._settings).list()
        if what == VERIFY:
            if (unproven := newest_unproven(kept)) and unproven.manifest.created_at < slot:
                self._verify(unproven)
            if (base_unproven := base_store.newest_unproven(self._settings)) and base_unproven.created_at < slot:
                self._verify_base(base_unproven.id)
        elif is_due(kept, what, slot, since=installed_at(runtime)) and self._has_something(what):
            made = take(self._settings, what)
            logger.info("backup.backup.taken", extra={"backup_id": made.id, "bytes": made.bytes})

    def _prune(self) -> None:
        gone = retention.prune(self._settings)
        logger.info("backup.backups.pruned", extra={"backups": len(gone.backups), "objects": gone.objects})
        if archives(self._settings) and (archive := self._settings.wal_archive):
            bases, segments = base_store.prune(self._settings, archive, keep=self._settings.base_keep)
            logger.info("backup.wal.pruned", extra={"backups": len(bases), "segments": len(segments)})

    def _verify_base(self, backup_id: str) -> None:
        try:
            base_store.verify(self._settings, backup_id)
        except Damage as error:
            logger.error("backup.backup.damaged", extra={"backup_id": backup_id, "reason": error.message})
        else:
            logger.info("backup.backup.verified", extra={"backup_id": backup_id})

    def _verify(self, kept: Kept) -> None:
        report = verify(self._settings, kept)
        facts = {"backup_id": kept.manifest.id, "rows": report.rows}
        if report.ok:
            logger.info("backup.backup.verified", extra=facts)
        else:
            logger.error("backup.backup.damaged", extra=facts | {"reason": "; ".join(report.damage)})

    def _has_something(self, what: str) -> bool:
        return what != "models" or any(models_directory(self._settings).glob("*"))


def is_due(kept: list[Kept], kind: str, slot: datetime, *, since: datetime | None) -> bool:
    """Whether no backup holds this kind since `slot`. What was due before the installation was made is not made up for."""
    if since is None or since > slot:
        return False
    return not any(one.manifest.kind in CONTAINED[kind] and one.manifest.created_at >= slot for one in kept)


def newest_unproven(kept: list[Kept]) -> Kept | None:
    """The newest backup of the database, unless it was restored on trial already."""
    newest = next((one for one in kept if one.manifest.part("database")), None)
    if newest is None or (newest.verified is not None and newest.verified.level == "restore"):
        return None
    return newest


def installed_at(runtime: Runtime) -> datetime | None:
    with runtime.database.read() as session:
        return session.scalar(sa.select(Project.created_at).order_by(Project.id).limit(1))
