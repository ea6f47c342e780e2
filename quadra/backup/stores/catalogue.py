"""Every backup there is, of every sort, in one list: for the API, the page and the checks.

To add a sort: a `Sort` with its four functions, and a line in `SORTS`. What lies in the stores counts, never the database,
which may be what was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from quadra.backup import take as taking
from quadra.backup import verify as verifying
from quadra.backup.pitr import base_store
from quadra.backup.replica.status import Health
from quadra.backup.stores.manifest import KINDS, Damage
from quadra.backup.stores.stores import Stores
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.errors import Invalid, NotFound
from quadra.core.settings import Settings

BackupId = Annotated[str, Meta(examples=["base-20260131T120000.000Z"])]
Kind = Annotated[str, Meta(description="base, or what it holds: models, database, full.", examples=["base"])]
Verified = Annotated[Time | None, Meta(description="When it was last found sound.")]


class Backup(Struct, kw_only=True):
    """One that is whole."""

    id: BackupId
    kind: Kind
    created_at: Time
    bytes: Annotated[int, Meta(description="As it is stored, packed.", examples=[19_922_944])]
    verified_at: Verified
    verified_by: Annotated[
        str | None, Meta(description="How: restore is a trial restore, others only read it.", examples=["decompress"])
    ]
    stores: Annotated[int, Meta(description="In how many places it lies.", examples=[1])]
    rows: Annotated[int | None, Meta(description="Of the database; null where nobody counted.", examples=[None])]


class RecentBackup(Struct, kw_only=True):
    id: BackupId
    kind: Kind
    created_at: Time
    verified_at: Verified
    age_hours: Annotated[float, Meta(examples=[3.2])]


class BackupHealth(Struct, kw_only=True):
    status: Annotated[Health, Meta(examples=["healthy"])]
    backup_count: Annotated[int, Meta(examples=[9])]
    most_recent_backup: Annotated[RecentBackup | None, Meta(description="Of the database.")]
    total_backup_size_mb: float
    message: Annotated[str, Meta(examples=["The newest backup of the database is 3 h old. It was not verified yet."])]
    timestamp: Time


@dataclass(frozen=True, slots=True)
class Sort:
    kinds: Callable[[Settings], tuple[str, ...]]
    """What can be taken of this installation."""
    entries: Callable[[Settings], list[Backup]]
    take: Callable[[Settings, str], str]
    """Make one of a kind; its id."""
    verify: Callable[[Settings, str], None]
    """Raises what is wrong."""


def _base_entries(settings: Settings) -> list[Backup]:
    return [
        Backup(
            id=each.id,
            kind="base",
            created_at=clock.iso(each.created_at),
            bytes=each.bytes,
            verified_at=base_store.verified_at(settings, each.id),
            verified_by="decompress" if base_store.verified_at(settings, each.id) else None,
            stores=1,
            rows=None,
        )
        for each in base_store.manifests(settings)
    ]


BASE = Sort(
    kinds=lambda settings: ("base",) if settings.database_url.startswith("postgresql") else (),
    entries=_base_entries,
    take=lambda settings, _kind: base_store.take(settings, lambda _done, _all: None)[0].id,
    verify=lambda settings, name: void(base_store.verify(settings, name)),
)


def _stored_entries(settings: Settings) -> list[Backup]:
    return [
        Backup(
            id=kept.manifest.id,
            kind=kept.manifest.kind,
            created_at=clock.iso(kept.manifest.created_at),
            bytes=kept.manifest.bytes,
            verified_at=clock.iso(kept.verified.at) if kept.verified else None,
            verified_by=kept.verified.level if kept.verified else None,
            stores=len(kept.stores),
            rows=kept.manifest.rows,
        )
        for kept in Stores(settings).list()
    ]


def _verify_stored(settings: Settings, backup_id: str) -> None:
    report = verifying.verify(settings, Stores(settings).find(backup_id), "restore")
    if not report.ok:
        raise Damage("; ".join(report.damage))


STORED = Sort(
    kinds=lambda _settings: KINDS,
    entries=_stored_entries,
    take=lambda settings, kind: taking.take(settings, kind).id,
    verify=_verify_stored,
)
SORTS: tuple[Sort, ...] = (STORED, BASE)


def void(_done: object) -> None:
    """For what is done for its effect."""


def entries(settings: Settings) -> list[Backup]:
    """Newest first."""
    found = [entry for sort in SORTS for entry in sort.entries(settings)]
    return sorted(found, key=lambda entry: entry.created_at, reverse=True)


def kinds(settings: Settings) -> tuple[str, ...]:
    return tuple(kind for sort in SORTS for kind in sort.kinds(settings))


def require_kind(settings: Settings, kind: str) -> str:
    known = kinds(settings)
    if kind not in known:
        raise Invalid(
            "There is no such kind of backup here.", fields={"kind": "one of " + (", ".join(known) or "none")}
        )
    return kind


def find(settings: Settings, backup_id: str) -> Backup:
    for entry in entries(settings):
        if entry.id == backup_id:
            return entry
    raise NotFound(f"There is no backup {backup_id!r}.")


def take(settings: Settings, kind: str) -> str:
    """Make one; its id. Raises what went wrong."""
    sort = next(sort for sort in SORTS if require_kind(settings, kind) in sort.kinds(settings))
    return sort.take(settings, kind)


def verify(settings: Settings, backup_id: str) -> None:
    """Raises `NotFound`, or what is wrong with it."""
    sort = next((sort for sort in SORTS if any(each.id == backup_id for each in sort.entries(settings))), None)
    if sort is None:
        raise NotFound(f"There is no backup {backup_id!r}.")
    sort.verify(settings, backup_id)


def health(settings: Settings) -> BackupHealth:
    """Of the backups of the database, by the age of the newest."""
    every = entries(settings)
    recent = next((_recent(each) for each in every if each.kind != "models"), None)
    status, message = _judge(settings, recent)
    return BackupHealth(
        status=status,
        backup_count=len(every),
        most_recent_backup=recent,
        total_backup_size_mb=round(sum(each.bytes for each in every) / 2**20, 2),
        message=message,
        timestamp=clock.iso(clock.now()),
    )


def _recent(backup: Backup) -> RecentBackup:
    age = clock.now() - datetime.fromisoformat(backup.created_at)
    return RecentBackup(
        id=backup.id,
        kind=backup.kind,
        created_at=backup.created_at,
        verified_at=backup.verified_at,
        age_hours=round(age.total_seconds() / 3600, 2),
    )


def _judge(settings: Settings, recent: RecentBackup | None) -> tuple[Health, str]:
    if recent is None:
        return "degraded", "There is no backup of the database: losing this machine loses everything. Take one."
    age = clock.now() - datetime.fromisoformat(recent.created_at)
    sentence = f"The newest backup of the database is {recent.age_hours:.0f} h old"
    if age >= settings.backup_age_fail:
        return "unhealthy", f"{sentence}: what happened since is in no backup."
    if age >= settings.backup_age_warn:
        return "degraded", f"{sentence}; one a day is usual."
    return (
        "healthy",
        f"{sentence}. It was not verified yet." if recent.verified_at is None else f"{sentence} and was verified.",
    )
