"""How the database is: whether it answers and how fast, how large it is, who is connected, whether its replicas follow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from quadra.backup.replica.status import DEGRADED, HEALTHY, UNHEALTHY, WORSE, Health, Replication, replication_status
from quadra.core import clock
from quadra.core.api.openapi import Time
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


class Connection(Struct, kw_only=True):
    status: Annotated[Health, Meta(examples=["healthy"])]
    latency_ms: Annotated[float, Meta(examples=[0.4])]


class DatabaseSize(Struct, kw_only=True):
    status: Annotated[Health, Meta(examples=["healthy"])]
    bytes: int
    mb: float


class Counted(Struct, kw_only=True):
    total: int
    active: int
    idle: int


class Connections(Counted, kw_only=True):
    status: Annotated[Health, Meta(examples=["healthy"])]


class Following(Struct, kw_only=True):
    status: Annotated[Health, Meta(examples=["healthy"])]
    message: Annotated[str, Meta(examples=["Every replica follows."])]
    replica_count: Annotated[int, Meta(examples=[1])]


class DatabaseChecks(Struct, kw_only=True):
    connection: Connection
    database_size: DatabaseSize
    connections: Annotated[Connections, Meta(description="Of all processes; on SQLite of this one.")]
    replication: Annotated[Following | UnsetType, Meta(description="Where there are replicas.")] = UNSET


class DatabaseHealth(Struct, kw_only=True):
    overall_status: Annotated[Health, Meta(examples=["healthy"])]
    timestamp: Time
    checks: DatabaseChecks


def database_health(runtime: Runtime) -> DatabaseHealth:
    """Raises `Unavailable` when the database is away."""
    with runtime.database.read() as session:
        began = time.perf_counter()
        session.execute(sa.text("SELECT 1"))
        connection = _connection(runtime, time.perf_counter() - began)
        size = _bytes(runtime, session)
        counted = _connections(runtime, session)
    followed = _following(replication_status(runtime.settings))
    statuses = (connection.status, HEALTHY if followed is None else followed.status)
    return DatabaseHealth(
        overall_status=max(statuses, key=WORSE.index),
        timestamp=clock.iso(clock.now()),
        checks=DatabaseChecks(
            connection=connection,
            database_size=DatabaseSize(status=HEALTHY, bytes=size, mb=round(size / 2**20, 2)),
            connections=Connections(status=HEALTHY, **structs.asdict(counted)),
            replication=UNSET if followed is None else followed,
        ),
    )


def _following(replication: Replication) -> Following | None:
    if (status := replication.overall_status) == "not_enabled":
        return None
    return Following(status=status, message=replication.message, replica_count=replication.replica_count)


def _connection(runtime: Runtime, seconds: float) -> Connection:
    warn, fail = runtime.settings.health_database_warn, runtime.settings.health_database_fail
    slow = seconds >= warn.total_seconds()
    status: Health = UNHEALTHY if seconds >= fail.total_seconds() else DEGRADED if slow else HEALTHY
    return Connection(status=status, latency_ms=round(seconds * 1000, 3))


def _bytes(runtime: Runtime, session: Any) -> int:
    if runtime.database.dialect != "sqlite":
        return int(session.scalar(sa.text(SIZE[runtime.database.dialect])))
    path = Path(runtime.database.url.database or "")
    # the write-ahead log too: it is as much on the disk as the rest
    return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())


def _connections(runtime: Runtime, session: Any) -> Counted:
    """Of all processes; SQLite has no server that knows them, so it is this process's own."""
    if runtime.database.dialect == "sqlite":
        pool: Any = runtime.database.engine.pool
        active, idle = pool.checkedout(), pool.checkedin()
        return Counted(total=active + idle, active=active, idle=idle)
    total, active = session.execute(sa.text(CONNECTIONS[runtime.database.dialect])).one()
    return Counted(total=int(total), active=int(active), idle=int(total) - int(active))
