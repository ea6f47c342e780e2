"""Which backups stay and which go. The plan is pure; carrying it out removes a manifest before anything else of its backup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quadra.backup.stores.manifest import ID, MANIFEST, Damage, Manifest, decode
from quadra.backup.stores.segment_copies import objects_of
from quadra.backup.stores.stores import OBJECTS, Kept, Store, Stores
from quadra.backup.take import clean_up, one_at_a_time
from quadra.core import clock
from quadra.core.errors import NotFound
from quadra.core.settings import Settings

BUCKETS: dict[str, Callable[[datetime], object]] = {
    "hourly": lambda at: (at.date(), at.hour),
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


@dataclass(frozen=True, slots=True)
class Keep:
    """How much stays."""

    days: int
    hourly: int
    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would."""

    backups: list[str]
    objects: int
    """Copies of segments that no backup lists any more."""
    kept: dict[str, str]
    """id -> why"""
    problems: list[str]


def keep_of(settings: Settings) -> Keep:
    return Keep(
        days=settings.backup_keep_days,
        hourly=settings.backup_keep_hourly,
        daily=settings.backup_keep_daily,
        weekly=settings.backup_keep_weekly,
        monthly=settings.backup_keep_monthly,
    )


def plan(backups: Sequence[Kept], keep: Keep, now: datetime) -> dict[str, str]:
    """id -> why it stays; what is not in it may go.

    The newest of each kind stays, and the newest that was restored on trial, whatever the numbers say.
    """
    stays: dict[str, str] = {}
    newest_first = sorted(backups, key=lambda one: one.manifest.created_at, reverse=True)
    proven = [one for one in newest_first if _proven(one)]
    if proven:
        stays[proven[0].manifest.id] = "the newest that was restored on trial"
    for kind in {one.manifest.kind for one in newest_first}:
        mine = [one.manifest for one in newest_first if one.manifest.kind == kind]
        stays.setdefault(mine[0].id, "the newest of its kind")
        for one in mine:
            if now - one.created_at < timedelta(days=keep.days):
                stays.setdefault(one.id, f"not {keep.days} days old")
        for name, bucket in BUCKETS.items():
            for one in _newest_of_each(mine, bucket)[: getattr(keep, name)]:
                stays.setdefault(one.id, name)
    return stays


def prune(settings: Settings, *, dry_run: bool = False) -> Pruned:
    """Carry the plan out in every store. Raises `Conflict` while another backup is made, `Unavailable`."""
    stores = Stores(settings)
    with one_at_a_time(stores.home.root):
        every = stores.list()
        stays = plan(every, keep_of(settings), clock.now())
        gone = [one for one in every if one.manifest.id not in stays]
        if not dry_run:
            clean_up(stores)
            for one in gone:
                for store in one.stores:
                    _remove(store, one.manifest.id)
        objects, problems = 0, []
        for store in stores.all:
            count, problem = _collect(store, {one.manifest.id for one in gone}, dry_run=dry_run)
            objects += count
            problems += [problem] if problem else []
    return Pruned([one.manifest.id for one in gone], objects, stays, problems)


def _proven(one: Kept) -> bool:
    return one.verified is not None and one.verified.level == "restore" and one.manifest.part("database") is not None


def _newest_of_each(newest_first: Sequence[Manifest], bucket: Callable[[datetime], object]) -> list[Manifest]:
    found: dict[object, Manifest] = {}
    for one in newest_first:
        found.setdefault(bucket(one.created_at), one)
    return list(found.values())


def _remove(store: Store, backup_id: str) -> None:
    store.remove(f"{backup_id}/{MANIFEST}")  # from here on it is not listed
    for name in list(store.names(f"{backup_id}/")):
        store.remove(name)


def _collect(store: Store, gone: set[str], *, dry_run: bool) -> tuple[int, str]:
    """Remove the copies of segments that no manifest of this store lists. A manifest that cannot be read may list any."""
    listed: set[str] = set()
    for name in list(store.names("")):
        backup_id, _, file = name.partition("/")
        if file != MANIFEST or not ID.fullmatch(backup_id) or backup_id in gone:
            continue
        try:
            manifest = decode(store.get_bytes(name), f"{store.place}/{name}")
        except NotFound:
            continue
        except Damage as error:
            return 0, f"No copy of a segment is removed from {store.place}: {error.message}"
        listed |= objects_of(manifest.segments, "") | objects_of(manifest.segments, manifest.key_id)
    lost = [name for name in list(store.names(f"{OBJECTS}/")) if name not in listed]
    if not dry_run:
        for name in lost:
            store.remove(name)
    return len(lost), ""
