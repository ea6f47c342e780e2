"""Replicas of the database, where it has some."""

from __future__ import annotations

from quadra.backup.replica.status import NOT_ENABLED, replication_status, worst_lag_seconds
from quadra.health.context import CheckContext
from quadra.health.verdict import Found, check


@check("backups", keep_seconds=15)
def replication(context: CheckContext) -> Found | None:
    if context.runtime.database.dialect != "postgresql":
        return None
    status = replication_status(context.runtime.settings)
    if status.overall_status == NOT_ENABLED:
        return None
    details = {"replicas": status.replica_count, "lag_seconds": worst_lag_seconds(status)}
    return Found(status.overall_status, status.message, details)
