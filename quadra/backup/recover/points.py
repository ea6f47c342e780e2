"""The moments that the installation can be brought back to: each backup, and with PostgreSQL's archive every moment between."""

from __future__ import annotations

from typing import Annotated

import psycopg
from msgspec import Meta, Struct

from quadra.backup.pitr import base_store, wal_chain
from quadra.backup.pitr.wal_chain import lsn
from quadra.backup.replica.sides import admin_url, connected, one
from quadra.backup.replica.status import first_line
from quadra.backup.stores import catalogue as kept_backups
from quadra.backup.stores.catalogue import BackupId, Kind, Verified
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.errors import Conflict
from quadra.core.settings import Settings


class RecoveryPoint(Struct, kw_only=True):
    at: Time
    backup_id: BackupId
    kind: Kind
    verified_at: Verified


class Span(Struct, kw_only=True, rename={"from_": "from"}):
    """Within which every moment can be reached."""

    from_: Time | None
    to: Time | None
    whole: Annotated[bool, Meta(description="Whether the archive has no gap.")]
    message: Annotated[str, Meta(examples=["Every moment in this span can be reached: quadra pitr --to TIME."])]


class RecoveryPoints(Struct, kw_only=True):
    points: list[RecoveryPoint]
    continuous: Span


def recovery_points(settings: Settings) -> RecoveryPoints:
    points = [
        RecoveryPoint(at=each.created_at, backup_id=each.id, kind=each.kind, verified_at=each.verified_at)
        for each in kept_backups.entries(settings)
        if each.kind != "models"
    ]
    return RecoveryPoints(points=points, continuous=continuous(settings))


def continuous(settings: Settings) -> Span:
    """As far as the span can be told without reading the log."""
    if not settings.database_url.startswith("postgresql"):
        return _nothing("Moments between backups need PostgreSQL; here only the backups themselves count.")
    if settings.wal_archive is None:
        return _nothing("PostgreSQL's log is not archived: set QUADRA_WAL_ARCHIVE, then quadra wal setup.")
    bases = base_store.bases(settings)
    if not bases:
        return _nothing("There is no base backup to replay the log onto: take one.")
    first = min(bases, key=lambda base: base.facts.finished_at).facts
    try:
        chain = wal_chain.follow(settings.wal_archive, timeline=first.timeline, start=lsn(first.stop_lsn))
    except Conflict as error:
        return _nothing(error.message)

    def from_first(message: str, to: str | None = None) -> Span:
        return Span(from_=clock.iso(first.finished_at), to=to, whole=not chain.gaps, message=message)

    if chain.gaps:
        return from_first(f"The archive is not whole: {chain.gaps[0]}. Take a new base backup.")
    try:
        with connected(admin_url(settings)) as connection:
            state = one(connection, "SELECT last_archived_time AS at, last_failed_time AS failed FROM pg_stat_archiver")
    except psycopg.Error as error:
        return from_first(f"The archive is whole. The database does not answer: {first_line(error)}")
    at, failed = state["at"], state["failed"]
    if failed is not None and (at is None or failed > at):
        return from_first(f"Archiving fails since {clock.iso(failed)}: the database's log says why.")
    if at is None:
        return from_first("Nothing was archived yet: is archive_command set? quadra wal setup prints it.")
    return from_first("Every moment in this span can be reached: quadra pitr --to TIME.", to=clock.iso(at))


def _nothing(message: str) -> Span:
    return Span(from_=None, to=None, whole=False, message=message)
