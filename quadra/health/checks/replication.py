"""Replicas of the database, where it has some."""

from __future__ import annotations

from quadra.backup.replica.status import DEGRADED, NOT_ENABLED, UNHEALTHY, replication_status, worst_lag_seconds
from quadra.health import verdict
from quadra.health.scene import Scene
from quadra.health.verdict import Found, check

STATUSES = {DEGRADED: verdict.DEGRADED, UNHEALTHY: verdict.UNHEALTHY}


@check("backups", keep_seconds=15)
def replication(scene: Scene) -> Found | None:
    if scene.runtime.database.dialect != "postgresql":
        return None
    status = replication_status(scene.runtime.settings)
    if status["overall_status"] == NOT_ENABLED:
        return None
    details = {"replicas": status["replica_count"], "lag_seconds": worst_lag_seconds(status)}
    return Found(STATUSES.get(status["overall_status"], verdict.HEALTHY), status["message"], details)
