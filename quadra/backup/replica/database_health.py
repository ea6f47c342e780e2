"""How the database is: whether it answers and how fast, how large it is, who is connected, whether its replicas follow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quadra.backup.replica.status import DEGRADED, HEALTHY, NOT_ENABLED, UNHEALTHY, WORSE, replication_status
from quadra.core import clock
from quadra.core.runtime import Runtime

SIZE = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables "
    "WHERE table_schema = DATABASE()",
}
CONNECTIONS = {
    "postgresql": "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity "
    "WHERE datname = current_database()",
    "mysql": "SELECT COUNT(*), COALESCE(SUM(command <> 'Sleep'), 0) FROM information_schema.processlist "
    "WHERE db = DATABASE()",
}


def database_health(runtime: Runtime) -> dict[str, Any]:
    """The answer of `/api/disaster-recovery/health/database`. Raises `Unavailable` when the database is away."""
    checks: dict[str, Any] = {}
    with runtime.database.read() as session:
        began = time.perf_counter()
        session.execute(sa.text("SELECT 1"))
        checks["connection"] = _connection(runtime, time.perf_counter() - began)
        size = _bytes(runtime, session)
        checks["database_size"] = {"status": HEALTHY, "bytes": size, "mb": round(size / 2**20, 2)}
        checks["connections"] = {"status": HEALTHY, **_connections(runtime, session)}
    replication = replication_status(runtime.settings)
    if replication["overall_status"] != NOT_ENABLED:
        checks["replication"] = {
            "status": replication["overall_status"],
            "message": replication["message"],
            "replica_count": replication["replica_count"],
        }
    overall = max((check["status"] for check in checks.values()), key=WORSE.index)
    return {"overall_status": overall, "timestamp": clock.iso(clock.now()), "checks": checks}


def _connection(runtime: Runtime, seconds: float) -> dict[str, Any]:
    warn, fail = runtime.settings.health_database_warn, runtime.settings.health_database_fail
    status = UNHEALTHY if seconds >= fail.total_seconds() else DEGRADED if seconds >= warn.total_seconds() else HEALTHY
    return {"status": status, "latency_ms": round(seconds * 1000, 3)}


def _bytes(runtime: Runtime, session: Any) -> int:
    if runtime.database.dialect != "sqlite":
        return int(session.scalar(sa.text(SIZE[runtime.database.dialect])))
    path = Path(runtime.database.url.database or "")
    # the write-ahead log too: it is as much on the disk as the rest
    return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())


def _connections(runtime: Runtime, session: Any) -> dict[str, int]:
    """Of all processes; SQLite has no server that knows them, so it is this process's own."""
    if runtime.database.dialect == "sqlite":
        pool: Any = runtime.database.engine.pool
        active, idle = pool.checkedout(), pool.checkedin()
        return {"total": active + idle, "active": active, "idle": idle}
    total, active = session.execute(sa.text(CONNECTIONS[runtime.database.dialect])).one()
    return {"total": int(total), "active": int(active), "idle": int(total) - int(active)}
