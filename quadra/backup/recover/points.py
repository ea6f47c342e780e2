"""The moments that the installation can be brought back to: each backup, and with PostgreSQL's archive every moment between."""

from __future__ import annotations

from typing import Any

import psycopg

from quadra.backup.pitr import base_store, wal_chain
from quadra.backup.pitr.wal_chain import lsn
from quadra.backup.replica.sides import admin_url, connected, one
from quadra.backup.replica.status import first_line
from quadra.backup.stores import catalogue as kept_backups
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.settings import Settings


def recovery_points(settings: Settings) -> dict[str, Any]:
    points = [
        {
            "at": entry["created_at"],
            "backup_id": entry["id"],
            "kind": entry["kind"],
            "verified_at": entry["verified_at"],
        }
        for entry in kept_backups.entries(settings)
        if entry["kind"] != "models"
    ]
    return {"points": points, "continuous": continuous(settings)}


def continuous(settings: Settings) -> dict[str, Any]:
    """The span within which every moment can be reached, as far as that can be told without reading the log."""
    nothing = {"from": None, "to": None, "whole": False}
    if not settings.database_url.startswith("postgresql"):
        return nothing | {"message": "Moments between backups need PostgreSQL; here only the backups themselves count."}
    if settings.wal_archive is None:
        return nothing | {"message": "PostgreSQL's log is not archived: set QUADRA_WAL_ARCHIVE, then quadra wal setup."}
    bases = base_store.bases(settings)
    if not bases:
        return nothing | {"message": "There is no base backup to replay the log onto: take one."}
    first = min(bases, key=lambda base: base.facts.finished_at).facts
    try:
        chain = wal_chain.follow(settings.wal_archive, timeline=first.timeline, start=lsn(first.stop_lsn))
    except Conflict as error:
        return nothing | {"message": error.message}
    found = {"from": clock.iso(first.finished_at), "to": None, "whole": not chain.gaps}
    if chain.gaps:
        return found | {"message": f"The archive is not whole: {chain.gaps[0]}. Take a new base backup."}
    try:
        with connected(admin_url(settings)) as connection:
            state = one(connection, "SELECT last_archived_time AS at, last_failed_time AS failed FROM pg_stat_archiver")
    except psycopg.Error as error:
        return found | {"message": f"The archive is whole. The database does not answer: {first_line(error)}"}
    at, failed = state["at"], state["failed"]
    if failed is not None and (at is None or failed > at):
        return found | {"message": f"Archiving fails since {clock.iso(failed)}: the database's log says why."}
    if at is None:
        return found | {"message": "Nothing was archived yet: is archive_command set? quadra wal setup prints it."}
    return found | {
        "to": clock.iso(at),
        "message": "Every moment in this span can be reached: quadra pitr --to TIME.",
    }
