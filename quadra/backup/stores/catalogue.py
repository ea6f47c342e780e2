"""Every backup there is, of every sort, in one list: for the API, the page and the checks.

To add a sort: a `Sort` with its four functions, and a line in `SORTS`. What lies in the stores counts, never the database,
which may be what was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quadra.backup import take as taking
from quadra.backup import verify as verifying
from quadra.backup.pitr import base_store
from quadra.backup.stores.manifest import KINDS, Damage
from quadra.backup.stores.stores import Stores
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound
from quadra.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Sort:
    kinds: Callable[[Settings], tuple[str, ...]]
    """What can be taken of this installation."""
    entries: Callable[[Settings], list[dict[str, Any]]]
    take: Callable[[Settings, str], str]
    """Make one of a kind; its id."""
    verify: Callable[[Settings, str], None]
    """Raises what is wrong."""


def _base_entries(settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "kind": "base",
            "created_at": clock.iso(each.created_at),
            "bytes": each.bytes,
            "verified_at": base_store.verified_at(settings, each.id),
            "verified_by": "decompress" if base_store.verified_at(settings, each.id) else None,
            "stores": 1,
            "rows": None,
        }
        for each in base_store.manifests(settings)
    ]


BASE = Sort(
    kinds=lambda settings: ("base",) if settings.database_url.startswith("postgresql") else (),
    entries=_base_entries,
    take=lambda settings, _kind: base_store.take(settings, lambda _done, _all: None)[0].id,
    verify=lambda settings, name: void(base_store.verify(settings, name)),
)


def _stored_entries(settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "id": kept.manifest.id,
            "kind": kept.manifest.kind,
            "created_at": clock.iso(kept.manifest.created_at),
            "bytes": kept.manifest.bytes,
            "verified_at": clock.iso(kept.verified.at) if kept.verified else None,
            "verified_by": kept.verified.level if kept.verified else None,
            "stores": len(kept.stores),
            "rows": kept.manifest.rows,
        }
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


def entries(settings: Settings) -> list[dict[str, Any]]:
    """Newest first."""
    found = [entry for sort in SORTS for entry in sort.entries(settings)]
    return sorted(found, key=lambda entry: str(entry["created_at"]), reverse=True)


def kinds(settings: Settings) -> tuple[str, ...]:
    return tuple(kind for sort in SORTS for kind in sort.kinds(settings))


def require_kind(settings: Settings, kind: object) -> str:
    known = kinds(settings)
    if not isinstance(kind, str) or kind not in known:
        raise Invalid(
            "There is no such kind of backup here.", fields={"kind": "one of " + (", ".join(known) or "none")}
        )
    return kind


def find(settings: Settings, backup_id: str) -> dict[str, Any]:
    for entry in entries(settings):
        if entry["id"] == backup_id:
            return entry
    raise NotFound(f"There is no backup {backup_id!r}.")


def take(settings: Settings, kind: str) -> str:
    """Make one; its id. Raises what went wrong."""
    sort = next(sort for sort in SORTS if require_kind(settings, kind) in sort.kinds(settings))
    return sort.take(settings, kind)


def verify(settings: Settings, backup_id: str) -> None:
    """Raises `NotFound`, or what is wrong with it."""
    sort = next((sort for sort in SORTS if any(each["id"] == backup_id for each in sort.entries(settings))), None)
    if sort is None:
        raise NotFound(f"There is no backup {backup_id!r}.")
    sort.verify(settings, backup_id)


def health(settings: Settings) -> dict[str, Any]:
    """The answer of `/api/disaster-recovery/health/backups`."""
    every = entries(settings)
    size = round(sum(int(entry["bytes"]) for entry in every) / 2**20, 2)
    of_database = [entry for entry in every if entry["kind"] != "models"]
    if not of_database:
        message = "There is no backup of the database: losing this machine loses everything. Take one."
        return _health("degraded", every, None, size, message)
    newest = of_database[0]
    age = clock.now() - datetime.fromisoformat(str(newest["created_at"]))
    hours = round(age.total_seconds() / 3600, 2)
    told = f"The newest backup of the database is {hours:.0f} h old"
    recent = {key: newest[key] for key in ("id", "kind", "created_at", "verified_at")} | {"age_hours": hours}
    if age >= settings.backup_age_fail:
        return _health("unhealthy", every, recent, size, f"{told}: what happened since is in no backup.")
    if age >= settings.backup_age_warn:
        return _health("degraded", every, recent, size, f"{told}; one a day is usual.")
    if newest["verified_at"] is None:
        return _health("healthy", every, recent, size, f"{told}. It was not verified yet.")
    return _health("healthy", every, recent, size, f"{told} and was verified.")


def _health(status: str, every: list[Any], recent: Any, size: float, message: str) -> dict[str, Any]:
    return {
        "status": status,
        "backup_count": len(every),
        "most_recent_backup": recent,
        "total_backup_size_mb": size,
        "message": message,
        "timestamp": clock.iso(clock.now()),
    }
